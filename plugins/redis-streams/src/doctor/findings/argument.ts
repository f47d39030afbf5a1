import { printable } from '../secret.ts';

const escaped = (character: string): string => {
  if (character === '"' || character === '\\') return `\\${character}`;
  if (printable(character) === character) return character;
  return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
};

/** A name as redis-cli takes it at its prompt, whatever is in it; where nothing has to be escaped, as a shell does, too. */
export const argument = (text: string): string => {
  const inside = Array.from(text, escaped).join('');
  return inside === text && !text.includes("'") ? `'${text}'` : `"${inside}"`;
};
