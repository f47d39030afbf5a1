import { certify } from '@logistically/events-conformance';
import { describe } from 'vitest';
import { memory } from '../src/index.ts';
describe('ref', () => certify(() => memory({ isolate: false })));
describe('parts', () => certify(() => memory({ partitions: 4, maxRetained: 0 })));
