// libpq's sslmode in terms of Node's TLS.
import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'

import { codeOf, messageOf } from '../../base/errors.ts'
import type { ConnectionTarget } from '../connection.ts'
import { warehouseErrors } from '../errors.ts'

/** Options for tls.connect, or false for no TLS. `prefer` gives the options of `require`: whoever connects falls back. */
export async function tlsOptions(target: ConnectionTarget): Promise<ConnectionOptions | false> {
  const { mode } = target.tls
  if (mode === 'disable' || target.host.startsWith('/')) return false
  const files = {
    ...(await pem(target, 'ca', target.tls.rootCertificate)),
    ...(await pem(target, 'cert', target.tls.certificate)),
    ...(await pem(target, 'key', target.tls.key)),
  }
  if (mode === 'verify-full') return { ...files, rejectUnauthorized: true }
  if (mode === 'verify-ca') return { ...files, rejectUnauthorized: true, checkServerIdentity: () => undefined }
  return { ...files, rejectUnauthorized: false }
}

async function pem(
  target: ConnectionTarget,
  key: 'ca' | 'cert' | 'key',
  file: string | undefined,
): Promise<ConnectionOptions> {
  if (file === undefined) return {}
  try {
    return { [key]: await readFile(file, 'utf8') }
  } catch (error) {
    const reason = codeOf(error) === 'ENOENT' ? 'it does not exist' : messageOf(error)
    throw warehouseErrors.badCertificateFile({ what: target.what, file, reason }, { cause: error })
  }
}
