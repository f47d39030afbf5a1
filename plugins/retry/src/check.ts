import { EventsError } from '@logistically/events-kernel';

/** Throws `EVENTS_CONFIG`: what is wrong in the options of `retry`, and what to give instead. */
export function refuse(message: string): never {
  throw new EventsError('EVENTS_CONFIG', `retry(): ${message}`);
}

/** Options are an object; anything else is refused by the option's name. */
export const checkOptions = (name: string, value: unknown): void => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(`\`${name}\` must be an object.`);
};

/** Options of a part that may be switched off by `false`, or left out. */
export const checkPart = (name: string, value: unknown): void => {
  if (value !== undefined && value !== false) checkOptions(name, value);
};

/** A number from `min` on, a whole one for counts; anything else is refused by the option's name. */
export const checkNumber = (
  name: string,
  value: number,
  { min = 0, max = Number.MAX_VALUE, whole = false }: { min?: number; max?: number; whole?: boolean } = {},
): number => {
  const fits = typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value));
  const upTo = max === Number.MAX_VALUE ? 'on' : `to ${max}`;
  return fits ? value : refuse(`\`${name}\` must be a ${whole ? 'whole number' : 'number'} from ${min} ${upTo}.`);
};
