// Passwords: scrypt hashes and generated ones. Time-constant where it matters.
import { scrypt, timingSafeEqual } from 'node:crypto'

import type { Random } from '../base/random.ts'

// OWASP's cheat sheet of 2025 for scrypt: N=2^17, r=8, p=1. 128 MB and about 0.3 s here: slow for guessers, bearable at log-in.
const COST = { N: 131_072, r: 8, p: 1 }
const HASH_BYTES = 32
const SALT_BYTES = 16
// No letters that are read wrongly (0 O 1 l I); 32 of them, so each carries 5 bits.
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'

/** 20 characters in groups, 100 bits: `x7kd2-…`. */
export function generatePassword(random: Random): string {
  const letters = [...random.bytes(20)].map((byte) => ALPHABET[byte % ALPHABET.length])
  return [0, 5, 10, 15].map((at) => letters.slice(at, at + 5).join('')).join('-')
}

/** `scrypt$131072$8$1$<salt>$<hash>`. */
export async function hashPassword(password: string, random: Random): Promise<string> {
  const salt = random.bytes(SALT_BYTES)
  const hash = await derive(password, salt, COST)
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64'), hash.toString('base64')].join('$')
}

/** Whether `password` is the one that was hashed. A hash that cannot be read is never right. */
export async function isPassword(password: string, stored: string): Promise<boolean> {
  const [kind, n, r, p, salt, hash] = stored.split('$')
  if (kind !== 'scrypt' || salt === undefined || hash === undefined) return false
  const wanted = Buffer.from(hash, 'base64')
  const cost = { N: Number(n), r: Number(r), p: Number(p) }
  const given = await derive(password, Buffer.from(salt, 'base64'), cost)
  return wanted.length === given.length && timingSafeEqual(wanted, given)
}

function derive(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
  const maxmem = 256 * cost.N * cost.r
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, HASH_BYTES, { ...cost, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}
