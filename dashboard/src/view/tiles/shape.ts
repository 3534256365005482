import type { EntityModel } from '../../live/device'

/** How much of the grid a tile takes: 1×1, 2×1 or 2×2. */
export type Size = 'small' | 'wide' | 'large'

/** The channel that an entity's slider sets; undefined = it has none. */
export function levelOf(entity: EntityModel): string | undefined {
  return ['brightness', 'percentage', 'position', 'state'].find((name) => {
    const channel = entity.channels.get(name)?.spec
    return channel?.type === 'number' && channel.settable
  })
}

/** The size of an entity's tile. */
export function sizeOf(entity: EntityModel): Size {
  if (entity.spec.kind === 'climate') return 'large'
  const wave = (entity.main?.spec.step_us ?? 0) > 0
  return wave || levelOf(entity) !== undefined ? 'wide' : 'small'
}

/**
 * Large tiles first, else in the given order: what follows a large tile fills the rows beside it, so the order on the screen is the order
 * of reading and no hole stays before it.
 */
export function largeFirst(entities: readonly EntityModel[]): EntityModel[] {
  return [...entities].sort((a, b) => Number(sizeOf(b) === 'large') - Number(sizeOf(a) === 'large'))
}
