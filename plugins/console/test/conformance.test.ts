import { certify } from '@logistically/events-conformance';
import { console as consoleTransport } from '../src/index.ts';

certify(() => consoleTransport({ write: () => {} }));
