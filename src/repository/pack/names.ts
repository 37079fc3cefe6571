// Where packs and map bundles lie.
export function packName(id: string): string {
  return `packs/${id.slice(0, 2)}/${id}`
}

export function mapsName(id: string): string {
  return `maps/${id}`
}
