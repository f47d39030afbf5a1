export { cases } from './cases.ts';
export { certify } from './certify.ts';
