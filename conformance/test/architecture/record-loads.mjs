// Preloaded by footprint.ts: writes one line for every module that the process resolves.
import { writeSync } from 'node:fs';
import * as nodeModule from 'node:module';

const note = ({ url }) => writeSync(1, `loaded ${url}\n`);

if (nodeModule.registerHooks) {
  nodeModule.registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      note(resolved);
      return resolved;
    },
  });
} else {
  const hooks = `import { writeSync } from 'node:fs';
    const note = ${note};
    export async function resolve(specifier, context, next) {
      const resolved = await next(specifier, context);
      note(resolved);
      return resolved;
    }`;
  nodeModule.register(`data:text/javascript,${encodeURIComponent(hooks)}`);
}
