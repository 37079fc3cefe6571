// AWS Signature Version 4 as a server checks it, written from the specification: the client library signs, this verifies.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface Account {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Must come with every request where it is set. */
  readonly sessionToken?: string
}

export class Refusal extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message = code) {
    super(message)
    this.status = status
    this.code = code
  }
}

const LARGEST_SKEW_MS = 15 * 60_000
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const encode = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)

/** Throws a Refusal unless the request is signed by an account, for this body, at about this time. */
export function verifySignature(
  request: IncomingMessage,
  url: URL,
  at: { accounts: readonly Account[]; nowMs: number; body: Buffer },
): void {
  const authorization = request.headers.authorization ?? ''
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  if (!match) throw new Refusal(403, 'AccessDenied', 'not signed')
  const [, id, day, region, names, signature] = match
  const account = at.accounts.find((one) => one.accessKeyId === id)
  if (!account) throw new Refusal(403, 'InvalidAccessKeyId')
  if (account.sessionToken !== undefined && request.headers['x-amz-security-token'] !== account.sessionToken)
    throw new Refusal(403, 'InvalidToken', 'the session token is wrong or missing')
  const stamp = String(request.headers['x-amz-date'])
  const sentMs = Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(sentMs - at.nowMs) <= LARGEST_SKEW_MS))
    throw new Refusal(403, 'RequestTimeTooSkewed', 'the clocks differ')
  const payload = String(request.headers['x-amz-content-sha256'])
  if (payload !== 'UNSIGNED-PAYLOAD' && payload !== sha256(at.body))
    throw new Refusal(400, 'XAmzContentSHA256Mismatch', 'the body is not the one that was signed')
  const canonical = [
    request.method,
    url.pathname
      .split('/')
      .map((part) => encode(decodeURIComponent(part)))
      .join('/'),
    canonicalQuery(url),
    ...names!.split(';').map(
      (name) =>
        `${name}:${String(request.headers[name] ?? '')
          .trim()
          .replaceAll(/ +/g, ' ')}`,
    ),
    '',
    names,
    payload,
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const toSign = `AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${sha256(canonical)}`
  const key = ['s3', 'aws4_request'].reduce(
    (key, part) => hmac(key, part),
    hmac(hmac(`AWS4${account.secretAccessKey}`, day!), region!),
  )
  if (!timingSafeEqual(hmac(key, toSign), Buffer.from(signature!, 'hex')))
    throw new Refusal(403, 'SignatureDoesNotMatch')
}

function canonicalQuery(url: URL): string {
  const pairs = url.search
    .slice(1)
    .split('&')
    .filter(Boolean)
    .map((pair) => {
      const at = pair.indexOf('=')
      const [key, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
      return `${encode(decodeURIComponent(key))}=${encode(decodeURIComponent(value.replaceAll('+', ' ')))}`
    })
  return pairs.sort((one, other) => (one < other ? -1 : 1)).join('&')
}
