import type { Failure } from './failure.ts';

const CLASS = /^[\w.-]{1,64}$/;
const TIMEOUT = /TIMEOUT|TIMEDOUT/;
const VALIDATION = /UNDECODABLE|VALIDATION|SCHEMA|INVALID/;

/** `validation`, `timeout` or `processing`, by the code and the name of the error. */
export const builtInClass = ({ name, code = '' }: Failure): string => {
  if (TIMEOUT.test(code) || name === 'TimeoutError') return 'timeout';
  if (VALIDATION.test(code) || name === 'ValidationError' || name === 'ZodError') return 'validation';
  return 'processing';
};

/** Whether a text can be the last part of a derived topic's name. */
export const isClass = (text: unknown): text is string => typeof text === 'string' && CLASS.test(text);
