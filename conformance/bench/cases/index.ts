import type { BenchCase } from '../case.ts';
import { consumeCases } from './consume.ts';
import { durableCases } from './durable.ts';
import { liveCases } from './live.ts';
import { localCases } from './local.ts';
import { publishCases } from './publish.ts';
import { stackCases } from './stack.ts';

export const cases: readonly BenchCase[] = [
  ...publishCases,
  ...consumeCases,
  ...liveCases,
  ...localCases,
  ...stackCases,
  ...durableCases,
];
