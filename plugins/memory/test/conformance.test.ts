import { certify } from '@logistically/events-conformance';
import { memory } from '../src/index.ts';

certify(() => memory());
