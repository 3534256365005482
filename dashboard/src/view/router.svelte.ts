/** Where in the app a person is. The address after # says it, so back, forward, bookmarks and any file server work. */
export type Place =
  /** query: what is chosen on the page, as after "?" in an address. */
  | { readonly page: 'overview'; readonly query: string }
  | { readonly page: 'area'; readonly area: string }
  | { readonly page: 'device'; readonly device: string; readonly query: string }
  | { readonly page: 'devices' }
  | { readonly page: 'storage' }
  | { readonly page: 'add' }
  | { readonly page: 'nowhere' }

/** Reads an address. */
export function placeOf(hash: string): Place {
  const [path = '', ...queries] = hash.replace(/^#?\/?/, '').split('?')
  const [page = '', ...rest] = path.split('/')
  const arg = decode(rest.join('/'))
  const query = queries.join('?')
  if (page === '') return { page: 'overview', query }
  if (page === 'area') return { page, area: arg }
  if (page === 'device' && arg) return { page, device: arg, query }
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

/** Whether two places are the same page, whatever is chosen on it. */
export function samePage(a: Place, b: Place): boolean {
  const page = (p: Place): string => JSON.stringify({ ...p, query: '' })
  return page(a) === page(b)
}

/** The place now, for components to follow. Call `start` once. */
export class Router {
  place = $state.raw<Place>({ page: 'overview', query: '' })

  /** Puts what was chosen on the page into its address, as a step that "back" undoes. */
  choose(query: string): void {
    const path = location.hash.split('?')[0] || overviewPath
    const hash = query ? `${path}?${query}` : path
    if (hash === (location.hash || overviewPath)) return
    history.pushState(null, '', hash)
    this.place = placeOf(hash)
  }

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
