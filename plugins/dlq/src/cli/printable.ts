/** Controls, format characters such as those that turn the direction of text, and separators of lines and paragraphs. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const codeUnits = (text: string): string =>
  Array.from(text.split(''), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

/** Writes what a terminal would act on as `\uXXXX`. JSON of one line stays JSON and means the same. */
export const printable = (text: string): string => text.replace(INVISIBLE, codeUnits);
