// Idempotency keys: a doubled click is one run, and a key never stands for two different wishes.
import { useMemo, useState } from 'react'

/** 128 random bits. Browsers have randomUUID() only where the page came by https or from this machine. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** A key for one wish, until `next` is called or the wish becomes another. */
export function useOnce(wish: object): { readonly once: string; readonly next: () => void } {
  const [round, setRound] = useState(0)
  const text = `${round} ${JSON.stringify(wish)}`
  const { once } = useMemo(() => ({ once: newKey(), text }), [text])
  return { once, next: () => setRound((before) => before + 1) }
}
