import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

type Arguments = readonly [client: Redis, keys: readonly string[], args: readonly (string | number)[]];

/** A Lua script: one atomic step on the server. Its file says what keys and arguments it takes. */
interface Script {
  /** Sends its hash, and its text when the server does not know that. */
  readonly run: (...call: Arguments) => Promise<unknown>;
  /** Sends its text: it runs in its turn, also on a server that has forgotten it. */
  readonly runWhole: (...call: Arguments) => Promise<unknown>;
}

const script = (source: string): Script => {
  const lua = source.replace(/^\s*--.*\n/gm, '');
  const sha = createHash('sha1').update(lua).digest('hex');
  const runWhole: Script['runWhole'] = (client, keys, args) => client.eval(lua, keys.length, ...keys, ...args);
  return {
    runWhole,
    run: (client, keys, args) =>
      client.evalsha(sha, keys.length, ...keys, ...args).catch((error: unknown) => {
        // A server that was restarted or flushed has forgotten it.
        if (error instanceof Error && error.message.includes('NOSCRIPT')) return runWhole(client, keys, args);
        throw error;
      }),
  };
};

export const publishScript = script(readFileSync(new URL('./lua/publish.lua', import.meta.url), 'utf8'));
export const ensureScript = script(readFileSync(new URL('./lua/ensure.lua', import.meta.url), 'utf8'));
export const claimScript = script(readFileSync(new URL('./lua/claim.lua', import.meta.url), 'utf8'));
export const failScript = script(readFileSync(new URL('./lua/fail.lua', import.meta.url), 'utf8'));
export const renewScript = script(readFileSync(new URL('./lua/renew.lua', import.meta.url), 'utf8'));
export const recoverScript = script(readFileSync(new URL('./lua/recover.lua', import.meta.url), 'utf8'));
export const regroupScript = script(readFileSync(new URL('./lua/regroup.lua', import.meta.url), 'utf8'));
export const leaveScript = script(readFileSync(new URL('./lua/leave.lua', import.meta.url), 'utf8'));
export const handoffScript = script(readFileSync(new URL('./lua/handoff.lua', import.meta.url), 'utf8'));
export const moveEntryScript = script(readFileSync(new URL('./lua/move-entry.lua', import.meta.url), 'utf8'));
export const trimScript = script(readFileSync(new URL('./lua/trim.lua', import.meta.url), 'utf8'));
export const leaseScript = script(readFileSync(new URL('./lua/lease.lua', import.meta.url), 'utf8'));
export const compareAndSetScript = script(readFileSync(new URL('./lua/compare-and-set.lua', import.meta.url), 'utf8'));
export const setManyScript = script(readFileSync(new URL('./lua/set-many.lua', import.meta.url), 'utf8'));
export const incrementScript = script(readFileSync(new URL('./lua/increment.lua', import.meta.url), 'utf8'));
