// Notices: small sealed objects that tell an operator what somebody saw who could reach nobody else. `notices/<warehouse>/<time>-<random>`.
import { isWharfError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { Notice, Notices } from '../contract.ts'
import { damaged, readObject, type ReadOptions } from '../object/decode.ts'
import { encodeObject } from '../object/encode.ts'

export const NOTICE_PREFIX = 'notices/'

export class StoredNotices implements Notices {
  private readonly parts: Omit<ReadOptions, 'signal'>

  constructor(parts: Omit<ReadOptions, 'signal'>) {
    this.parts = parts
  }

  async put(notice: Notice, signal: AbortSignal): Promise<void> {
    const time = notice.atMs.toString(16).padStart(16, '0')
    const name = `${NOTICE_PREFIX}${notice.warehouse}/${time}-${systemRandom.bytes(4).toString('hex')}`
    const section = { type: 'notice', label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify(notice)) } as const
    const { store, ring } = this.parts
    await store.put(name, encodeObject(ring, { name, kind: 'notice' }, [section]), { signal, durable: true })
  }

  async list(warehouse: string, signal: AbortSignal): Promise<readonly (Notice & { readonly object: string })[]> {
    const found: (Notice & { object: string })[] = []
    for await (const { name } of this.parts.store.list(`${NOTICE_PREFIX}${warehouse}/`, { signal })) {
      try {
        found.push({ ...(await readNotice(name, { ...this.parts, signal })), object: name })
      } catch (error) {
        if (!isWharfError(error)) throw error
      }
    }
    return found
  }

  async remove(object: string, signal: AbortSignal): Promise<void> {
    await this.parts.store.remove(object, { signal })
  }
}

export async function readNotice(name: string, options: ReadOptions): Promise<Notice> {
  const [section, ...others] = await readObject(name, 'notice', options)
  if (section?.type !== 'notice' || others.length > 0) throw damaged(name, 'it holds no notice')
  let value: unknown
  try {
    value = JSON.parse(section.plain.toString('utf8'))
  } catch {
    throw damaged(name, 'its body is not JSON')
  }
  const notice = value as Partial<Notice> | null
  const whole =
    typeof notice?.warehouse === 'string' &&
    typeof notice.reason === 'string' &&
    typeof notice.atMs === 'number' &&
    typeof notice.data === 'object'
  if (!whole) throw damaged(name, 'its body is no notice')
  return notice as Notice
}
