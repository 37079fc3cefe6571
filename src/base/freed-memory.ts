// Memory of buffers, given back by hand: the kernel gives zeroed pages slowly, and the garbage collector gives buffers back late.
import { setFlagsFromString } from 'node:v8'

import { MIB } from './units.ts'

/** The largest block that moves glibc's threshold (DEFAULT_MMAP_THRESHOLD_MAX, malloc/malloc.c), less what it adds to it. */
const BLOCK_BYTES = 32 * MIB - 8192

/**
 * Compressing, decompressing and encrypting return their result in memory of its own, a mebibyte or so each time. glibc maps blocks of that size one by one,
 * or trims them off its heap, so that the kernel has to give zeroed pages again and again: 45 page faults for each compressed MiB in a thread, 17 with this
 * (1.56 against 1.03 ms for compressing it; some 10 µs a fault on a virtual machine). Freeing one mapped block raises glibc's threshold for mapping to the size of
 * that block, and the one for trimming to twice that (mallopt(3), "dynamic mmap threshold"). The block is never touched, so it costs no memory; other C
 * libraries do not mind. Once for a process, before threads start: another block
 * of that size would come from the heap then, and be zeroed (130 to 400 ms).
 */
export function keepFreedMemory(): void {
  new ArrayBuffer(BLOCK_BYTES).transfer(0)
}

/** By how much the heap may have grown since the last collection before the next one, percent. V8's own choice is up to 300. */
const GROWTH_PERCENT = 20

/**
 * Lets the garbage collector work before the heap has grown to several times what is in use. A full backup of 100,000 relations peaked at 474 instead of 589 MB, and took
 * no more CPU time (36 against 39 s). A flag of V8, which reads it at each collection.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}

/** The same for a heap of hundreds of megabytes, of which a fifth is more than what is worth saving collections for. */
const LARGE_GROWTH_PERCENT = 8

/** For work that knows it will hold very many objects. A backup of 1,000,000 relations peaked at 1024 MB before. */
export function keepLargeHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${LARGE_GROWTH_PERCENT}`)
}

/** Smaller buffers may be parts of a pool that others are parts of, too. */
const SMALLEST_BYTES = Math.max(128 * 1024, 2 * Buffer.poolSize)

/**
 * Frees the memory of a buffer at once, without waiting for the garbage collector: what is allocated next finds it warm. The buffer is empty afterwards, and so
 * is every view of the same memory: only for memory that the caller alone knows. Does nothing for small buffers and for views into the middle.
 */
export function freeNow(buffer: Uint8Array): void {
  const memory = buffer.buffer
  if (!(memory instanceof ArrayBuffer) || buffer.byteOffset !== 0 || memory.byteLength < SMALLEST_BYTES) return
  memory.transfer(0)
}
