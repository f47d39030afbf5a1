/** Up to the last `@` of a word: a password may hold `/`, `#` and `@`. */
const WORD = /:\/\/\S*@/g;
/** Up to the last `@` of a line, where a colon shows that there is a password: it may hold spaces. */
const LINE = /:\/\/[^\s/?#:@]*:(?:(?!:\/\/)[^\n])*@/g;
/** An address without an `@`, at the end of a text that was cut. */
const LAST = /:\/\/(?:(?!:\/\/)[^@])*$/;

/** Takes the user and the password out of every URL; rather too much than too little. `isCut`: the text went on. */
export const withoutCredentials = (text: string, isCut = false): string => {
  const clean = text.replace(WORD, '://***@').replace(LINE, '://***@');
  return isCut ? clean.replace(LAST, '://***') : clean;
};
