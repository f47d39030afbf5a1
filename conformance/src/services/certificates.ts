import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type IssuedCertificate, issueCertificate } from './certificate.ts';
import { Watchdog } from './watchdog.ts';

const HOUR_MS = 3_600_000;

/** A certificate and its key: as PEM text, and as the files that hold it. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of the tests' own and what it signed, for `127.0.0.1` and `localhost`, valid for a day. */
export interface Certificates extends AsyncDisposable {
  /** The authority that signed all the others, save `otherCa`. */
  readonly ca: Certificate;
  /** Another authority, which signed nothing: who trusts only it trusts none of these. */
  readonly otherCa: Certificate;
  readonly server: Certificate;
  /** As `server`, but its time was over an hour ago. */
  readonly expired: Certificate;
  readonly client: Certificate;
  /** Removes the files. May be called more than once. They also go with the current process. */
  stop(): Promise<void>;
}

const pem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}(?!$)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;

/**
 * Makes keys and certificates in a temporary directory, anew on every call, so that no secret lies in a repository and
 * none expires there.
 */
export const certificates = (): Certificates => {
  const watchdog = new Watchdog('certificates');
  const store = (name: string, issued: IssuedCertificate): Certificate => {
    const cert = pem(issued.der);
    const key = issued.key.export({ type: 'pkcs8', format: 'pem' }) as string;
    const certFile = join(watchdog.directory, `${name}.crt`);
    const keyFile = join(watchdog.directory, `${name}.key`);
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key, { mode: 0o600 });
    return { cert, key, certFile, keyFile };
  };
  const issuer = issueCertificate({ name: 'events test authority' });
  const stop = (): Promise<void> => watchdog.close();
  return {
    ca: store('ca', issuer),
    otherCa: store('other-ca', issueCertificate({ name: 'events test authority of others' })),
    server: store('server', issueCertificate({ name: 'localhost', issuer })),
    expired: store('expired', issueCertificate({ name: 'localhost', issuer, notAfter: Date.now() - HOUR_MS })),
    client: store('client', issueCertificate({ name: 'events test client', issuer })),
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
