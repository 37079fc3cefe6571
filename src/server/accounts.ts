// Accounts and sessions in the control database.
import { createHash } from 'node:crypto'

import type { Role } from '../base/operation.ts'
import type { Context } from '../base/room.ts'
import type { ControlDatabase } from '../control/contract.ts'
import { errors } from './errors.ts'
import { generatePassword, hashPassword, isPassword } from './passwords.ts'

export interface Account {
  readonly name: string
  readonly role: Role
}

export interface Session extends Account {
  readonly expiresAt: Date
}

const LEAST_PASSWORD_LENGTH = 10
const TOKEN_BYTES = 32

/** Everything about who may log in. One per server. */
export class Accounts {
  private readonly database: ControlDatabase
  private readonly tools: Pick<Context, 'random' | 'clock'>

  constructor(database: ControlDatabase, tools: Pick<Context, 'random' | 'clock'>) {
    this.database = database
    this.tools = tools
  }

  /** Makes `admin` where no account exists yet; of several processes at once one wins. The password is nowhere else. */
  async ensureAdmin(): Promise<{ account: string; password: string } | undefined> {
    const known = await this.database.query('select 1 from server.account limit 1')
    if (known.length > 0) return undefined
    const password = generatePassword(this.tools.random)
    const hash = await hashPassword(password, this.tools.random)
    const made = await this.database.query(
      "insert into server.account (name, role, password) values ('admin', 'admin', $1) on conflict do nothing returning name",
      [hash],
    )
    return made.length > 0 ? { account: 'admin', password } : undefined
  }

  /** Sets a password (a random one where none is given) and ends all sessions of the account. */
  async setPassword(account: string, actor: string, given?: string): Promise<string> {
    if (given !== undefined && given.length < LEAST_PASSWORD_LENGTH)
      throw errors.passwordTooShort(LEAST_PASSWORD_LENGTH)
    const password = given ?? generatePassword(this.tools.random)
    const hash = await hashPassword(password, this.tools.random)
    await this.database.transaction(async (client) => {
      const changed = await client.query(
        `insert into server.account (name, role, password) select 'admin', 'admin', $2 where $1 = 'admin'
           on conflict (name) do nothing returning name`,
        [account, hash],
      )
      if (changed.rowCount === 0) {
        const updated = await client.query(
          'update server.account set password = $2, changed_at = now() where name = $1',
          [account, hash],
        )
        if (updated.rowCount === 0) throw errors.unknownAccount(account)
      }
      await client.query('delete from server.session where account = $1', [account])
    })
    await this.database.audit({ actor, action: 'admin password', subject: account, detail: {} })
    return password
  }

  /** A new session's token, or `server.wrong-password`. Takes as long for unknown accounts as for wrong passwords. */
  async logIn(name: string, password: string, lastsMs: number): Promise<{ token: string; session: Session }> {
    const [row] = await this.database.query<{ role: Role; password: string }>(
      'select role, password from server.account where name = $1',
      [name],
    )
    const right = await isPassword(password, row?.password ?? (await this.decoy()))
    if (!row || !right) {
      await this.database.audit({
        actor: row ? name : 'nobody',
        action: 'log in',
        subject: row ? name : '',
        detail: { refused: true },
      })
      throw errors.wrongPassword(undefined)
    }
    await this.database.audit({ actor: name, action: 'log in', subject: name, detail: {} })
    const token = this.tools.random.bytes(TOKEN_BYTES).toString('base64url')
    const expiresAt = new Date(this.tools.clock.now() + lastsMs)
    await this.database.query('insert into server.session (token_sha256, account, expires_at) values ($1, $2, $3)', [
      digest(token),
      name,
      expiresAt,
    ])
    await this.database.query('delete from server.session where expires_at < now()')
    return { token, session: { name, role: row.role, expiresAt } }
  }

  async find(token: string): Promise<Session | undefined> {
    const [row] = await this.database.query<{ name: string; role: Role; expiresAt: Date }>(
      `select a.name, a.role, s.expires_at as "expiresAt" from server.session s join server.account a on a.name = s.account
        where s.token_sha256 = $1 and s.expires_at > $2`,
      [digest(token), new Date(this.tools.clock.now())],
    )
    return row
  }

  async logOut(token: string): Promise<void> {
    await this.database.query('delete from server.session where token_sha256 = $1', [digest(token)])
  }

  private decoyHash: Promise<string> | undefined
  private decoy(): Promise<string> {
    this.decoyHash ??= hashPassword('nobody has this', this.tools.random)
    return this.decoyHash
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
