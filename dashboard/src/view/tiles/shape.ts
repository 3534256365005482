import type { EntityModel } from '../../live/device'
import type { Piece, Size } from './arrange'

/** The channel that an entity's slider sets; undefined = it has none. */
export function levelOf(entity: EntityModel): string | undefined {
  return ['brightness', 'percentage', 'position', 'state'].find((name) => {
    const channel = entity.channels.get(name)?.spec
    return channel?.type === 'number' && channel.settable
  })
}

/** The size of an entity's tile. */
function sizeOf(entity: EntityModel): Size {
  if (entity.spec.kind === 'climate') return 'large'
  const wave = (entity.main?.spec.step_us ?? 0) > 0
  return wave || levelOf(entity) !== undefined ? 'wide' : 'small'
}

/** How gladly an entity's tile takes a column more: a line over time most, then a bar; a switch has no use for it. */
function growsOf(entity: EntityModel): number {
  const size = sizeOf(entity)
  if (size === 'small') return entity.main?.spec.type === 'number' && entity.spec.kind === 'sensor' ? 2 : 0
  return size === 'wide' ? 1 : 0
}

/** An entity as a piece of the grid. */
export function pieceOf(entity: EntityModel): Piece<EntityModel> {
  return { item: entity, size: sizeOf(entity), grows: growsOf(entity) }
}
