import type { Facts } from '../facts.ts';
import type { Finding } from '../finding.ts';

/** Servers that are too old. */
export const versionFindings = ({ nodes }: Facts): Finding[] =>
  nodes.flatMap(({ where, info }): Finding[] => {
    const version = info.redis_version;
    if (version === undefined) return [];
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major < 6 || (major === 6 && minor < 2))
      return [
        {
          level: 'error',
          code: 'version-unsupported',
          where,
          what: `Redis ${version} lacks commands that are used here.`,
          fix: 'Upgrade to Redis 7.0 or newer; 6.2 is the oldest that works.',
        },
      ];
    if (major >= 7) return [];
    const what = `Redis ${version} cannot tell the lag of groups, and its users have no selectors.`;
    return [{ level: 'warning', code: 'version-old', where, what, fix: 'Upgrade to Redis 7.0 or newer.' }];
  });
