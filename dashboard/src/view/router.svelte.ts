/** Where in the app a person is. The address after # says it, so back, forward, bookmarks and any file server work. */
export type Place =
  | { readonly page: 'overview' }
  | { readonly page: 'area'; readonly area: string }
  | { readonly page: 'device'; readonly device: string }
  | { readonly page: 'devices' }
  | { readonly page: 'storage' }
  | { readonly page: 'add' }
  | { readonly page: 'nowhere' }

/** Reads an address. */
export function placeOf(hash: string): Place {
  const [page = '', ...rest] = hash.replace(/^#?\/?/, '').split('/')
  const arg = decode(rest.join('/'))
  if (page === '') return { page: 'overview' }
  if (page === 'area') return { page, area: arg }
  if (page === 'device' && arg) return { page, device: arg }
  if (page === 'devices' || page === 'storage' || page === 'add') return { page }
  return { page: 'nowhere' }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const overviewPath = '#/'
export const devicesPath = '#/devices'
export const storagePath = '#/storage'
export const addPath = '#/add'
export const areaPath = (area: string): string => `#/area/${encodeURIComponent(area)}`
export const devicePath = (device: string): string => `#/device/${encodeURIComponent(device)}`

/** The place now, for components to follow. Call `start` once. */
export class Router {
  place = $state.raw<Place>({ page: 'overview' })

  /** Follows the address; the returned function ends that. */
  start(): () => void {
    const read = (): void => {
      this.place = placeOf(location.hash)
    }
    read()
    addEventListener('hashchange', read)
    return () => {
      removeEventListener('hashchange', read)
    }
  }
}
