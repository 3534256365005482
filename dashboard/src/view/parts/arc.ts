/** The arc of a dial: 260°, open at the bottom, on a circle around (0, 0). Angles in degrees, 0 = right, clockwise. */
const FROM = 140
const SWEEP = 260

/** Angle of a value between lo and hi, held inside the arc. */
export function angle(v: number, lo: number, hi: number): number {
  const part = hi > lo ? Math.min(1, Math.max(0, (v - lo) / (hi - lo))) : 0
  return FROM + part * SWEEP
}

/** Point at an angle on a circle of radius r. */
export function point(deg: number, r: number): { x: number; y: number } {
  const rad = (deg * Math.PI) / 180
  return { x: r * Math.cos(rad), y: r * Math.sin(rad) }
}

/** SVG path from angle a to angle b, a ≤ b. */
export function arc(a: number, b: number, r: number): string {
  const p = point(a, r)
  const q = point(b, r)
  const large = b - a > 180 ? 1 : 0
  return `M${p.x.toFixed(2)} ${p.y.toFixed(2)}A${String(r)} ${String(r)} 0 ${String(large)} 1 ${q.x.toFixed(2)} ${q.y.toFixed(2)}`
}

/** The value that a pointer at (x, y) from the centre means. In the open part: the nearer end. */
export function valueAt(x: number, y: number, lo: number, hi: number): number {
  const deg = ((Math.atan2(y, x) * 180) / Math.PI + 360 - FROM) % 360
  const part = deg <= SWEEP ? deg / SWEEP : deg < SWEEP + (360 - SWEEP) / 2 ? 1 : 0
  return lo + part * (hi - lo)
}
