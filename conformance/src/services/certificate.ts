import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { DerTag, der, derBits, derInteger, derObjectId, derTime } from './der.ts';

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const KEY_USAGE = '2.5.29.15';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

const VERSION_3 = 2;
const DAY_MS = 86_400_000;

/** An authority that signs certificates, or what it signed. */
export interface IssuedCertificate {
  readonly name: string;
  readonly key: KeyObject;
  readonly der: Buffer;
}

interface CertificateRequest {
  readonly name: string;
  /** Default: itself, which makes it an authority. */
  readonly issuer?: IssuedCertificate;
  /** Epoch milliseconds. Default: a day from now. */
  readonly notAfter?: number;
}

const distinguishedName = (name: string): Buffer =>
  der(
    DerTag.sequence,
    der(DerTag.set, der(DerTag.sequence, derObjectId(COMMON_NAME), der(DerTag.utf8, Buffer.from(name)))),
  );

const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
  der(
    DerTag.sequence,
    derObjectId(id),
    ...(critical ? [der(DerTag.boolean, Buffer.from([0xff]))] : []),
    der(DerTag.octets, value),
  );

const authorityExtensions = (): Buffer[] => [
  extension(BASIC_CONSTRAINTS, true, der(DerTag.sequence, der(DerTag.boolean, Buffer.from([0xff])))),
  // keyCertSign and cRLSign.
  extension(KEY_USAGE, true, derBits(Buffer.from([0x06]), 1)),
];

const leafExtensions = (): Buffer[] => [
  extension(BASIC_CONSTRAINTS, true, der(DerTag.sequence)),
  // digitalSignature.
  extension(KEY_USAGE, true, derBits(Buffer.from([0x80]), 7)),
  // Both: a replica, a cluster node and a sentinel are servers to some and clients to others.
  extension(EXTENDED_KEY_USAGE, false, der(DerTag.sequence, derObjectId(SERVER_AUTH), derObjectId(CLIENT_AUTH))),
  extension(
    SUBJECT_ALTERNATIVE_NAME,
    false,
    der(
      DerTag.sequence,
      der(DerTag.context | 2, Buffer.from('localhost')),
      der(DerTag.context | 7, Buffer.from([127, 0, 0, 1])),
    ),
  ),
];

/**
 * Makes a key on the curve P-256 and an X.509 certificate for it: of an authority, or, where an issuer signs it, of a
 * server or client on `localhost` and `127.0.0.1`. It has been valid for ten days when `notAfter` is in the future.
 */
export const issueCertificate = ({ name, issuer, notAfter }: CertificateRequest): IssuedCertificate => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const until = notAfter ?? Date.now() + DAY_MS;
  const algorithm = der(DerTag.sequence, derObjectId(ECDSA_WITH_SHA256));
  const body = der(
    DerTag.sequence,
    der(DerTag.constructedContext | 0, derInteger(Buffer.from([VERSION_3]))),
    // Positive and without a leading zero, whatever the other bytes are.
    derInteger(Buffer.concat([Buffer.from([0x42]), randomBytes(15)])),
    algorithm,
    distinguishedName(issuer?.name ?? name),
    der(DerTag.sequence, derTime(Math.min(until, Date.now()) - 10 * DAY_MS), derTime(until)),
    distinguishedName(name),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    der(
      DerTag.constructedContext | 3,
      der(DerTag.sequence, ...(issuer === undefined ? authorityExtensions() : leafExtensions())),
    ),
  );
  const signature = sign('sha256', body, issuer?.key ?? privateKey);
  return { name, key: privateKey, der: der(DerTag.sequence, body, algorithm, derBits(signature, 0)) };
};
