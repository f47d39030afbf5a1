import type { CertifyOptions } from '../../src/options.ts';
import { poor } from './poor.ts';

/** As a module that the command line certifies. */
export const createTransport = poor;

export const options: CertifyOptions = { versions: { broker: 'none' } };
