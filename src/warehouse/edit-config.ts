// What wharf.yaml says about a warehouse besides its own entry.
import type { Document } from 'yaml'

/** Where else the document names the warehouse, e.g. `pipelines.weather.warehouse`; undefined where nothing does. */
export function otherUse(document: Document, name: string): string | undefined {
  const visit = (value: unknown, path: readonly string[]): string | undefined => {
    if (typeof value !== 'object' || value === null) return undefined
    for (const [key, inner] of Object.entries(value)) {
      if (path.length === 0 && key === 'warehouses') continue
      const here = [...path, key]
      const named =
        key === 'warehouse' ? inner === name : key === 'warehouses' && Array.isArray(inner) && inner.includes(name)
      if (named) return here.join('.')
      const below = visit(inner, here)
      if (below !== undefined) return below
    }
    return undefined
  }
  return visit(document.toJS(), [])
}
