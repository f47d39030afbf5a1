import { certify } from '@logistically/events-conformance';
import { memory } from '../src/index.ts';

const nothingIsEncoded = 'by reference nothing is encoded or decoded, so nothing can fail to be';

certify(() => memory({ isolate: false }), {
  waive: {
    'publish/settles-once': nothingIsEncoded,
    'publish/fails-by-itself': nothingIsEncoded,
    'foreign/malformed': nothingIsEncoded,
    'foreign/hostile': nothingIsEncoded,
    'handoff/undecoded': 'by reference a delivery has no payload',
  },
});
