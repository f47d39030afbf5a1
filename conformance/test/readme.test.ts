import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cases, clauses } from '../src/index.ts';

test('the README lists every case beside its clause', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8').replace(/\s+/g, ' ');
  for (const [clause, text] of Object.entries(clauses)) {
    const ids = cases.filter((each) => each.clause === clause).map(({ id }) => `\`${id}\``);
    expect(readme).toContain(`- **\`${clause}\`** ${text} ${ids.join(' · ')} `);
  }
});
