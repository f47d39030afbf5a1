import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certify } from '@logistically/events-conformance';
import { afterAll } from 'vitest';
import { folder } from '../src/folder.ts';

const path = mkdtempSync(join(tmpdir(), 'events-folder-'));
afterAll(() => rmSync(path, { recursive: true, force: true }));

certify(() => folder(path));
