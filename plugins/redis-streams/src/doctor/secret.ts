/** What is too short would turn up in every other word. */
const MIN_LENGTH = 4;
/** Controls, format characters such as those that turn the direction of text, and separators of lines and paragraphs. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** The passwords that a URL holds, as they are written and as they are meant. */
const secretsOf = (url: string): readonly string[] => {
  const user = /^[^/]*\/\/(.*)@/s.exec(url)?.[1] ?? '';
  const sentinel = /[?&]sentinelPassword=([^&#]*)/.exec(url)?.[1] ?? '';
  const password = user.slice(user.indexOf(':') + 1);
  return [password, decoded(password), sentinel, decoded(sentinel)].filter(({ length }) => length >= MIN_LENGTH);
};

/** The text without the passwords of a URL. */
export const concealed = (text: string, url = ''): string =>
  secretsOf(url)
    .toSorted((one, other) => other.length - one.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text.replace(/:\/\/\S*@/g, '://***@'));

/** Writes what a terminal would act on as `\uXXXX`. JSON of one line stays JSON and means the same. */
export const printable = (text: string): string =>
  text.replace(INVISIBLE, (found) =>
    Array.from(found.split(''), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
  );
