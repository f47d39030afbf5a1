/** Controls, format characters such as those that turn the direction of text, and separators of lines and paragraphs. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const codeUnits = (text: string): string =>
  Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join(
    '',
  );

/**
 * Writes what a terminal or a log reader would act on, instead of showing it, as `\uXXXX`: no text of an event can move the
 * cursor, change colours or begin a line of its own. JSON text stays JSON and means the same.
 */
export const printable = (text: string): string => text.replace(INVISIBLE, codeUnits);
