package bme680

import "encoding/binary"

// calibration holds the coefficients under the data sheet's names. Source: BST-BME680-DS001, tables 11 to 16.
type calibration struct {
	t1, t2, t3                              float64
	p1, p2, p3, p4, p5, p6, p7, p8, p9, p10 float64
	h1, h2, h3, h4, h5, h6, h7              float64
	g1, g2, g3                              float64
	heatRange, heatVal, rangeError          float64
	bme688                                  bool
	runGas                                  byte
}

// newCalibration reads the coefficients from 0x8A on (23 bytes), 0xE1 on (14) and 0x00 on (5).
func newCalibration(low, high, heat []byte, bme688 bool) *calibration {
	u16 := func(b []byte, i int) float64 { return float64(binary.LittleEndian.Uint16(b[i:])) }
	s16 := func(b []byte, i int) float64 { return float64(int16(binary.LittleEndian.Uint16(b[i:]))) }
	s8 := func(b []byte, i int) float64 { return float64(int8(b[i])) }
	c := &calibration{
		t1: u16(high, 8), t2: s16(low, 0), t3: s8(low, 2),
		p1: u16(low, 4), p2: s16(low, 6), p3: s8(low, 8), p4: s16(low, 10), p5: s16(low, 12), p6: s8(low, 15), p7: s8(low, 14),
		p8: s16(low, 18), p9: s16(low, 20), p10: float64(low[22]),
		h1: float64(uint16(high[2])<<4 | uint16(high[1]&15)), h2: float64(uint16(high[0])<<4 | uint16(high[1]>>4)),
		h3: s8(high, 3), h4: s8(high, 4), h5: s8(high, 5), h6: float64(high[6]), h7: s8(high, 7),
		g1: s8(high, 12), g2: s16(high, 10), g3: s8(high, 13),
		heatVal: s8(heat, 0), heatRange: float64(heat[2] >> 4 & 3), rangeError: float64(int8(heat[4]) >> 4),
		bme688: bme688, runGas: 0x10,
	}
	if bme688 {
		c.runGas = 0x20
	}
	return c
}

// fine is the temperature in 1/5120 °C. Source: section 3.3.1.
func (c *calibration) fine(raw float64) float64 {
	d := raw/131072 - c.t1/8192
	return (raw/16384-c.t1/1024)*c.t2 + d*d*c.t3*16
}

// pascal is the pressure. Source: section 3.3.2.
func (c *calibration) pascal(raw, fine float64) float64 {
	a := fine/2 - 64000
	b := a*a*c.p6/131072 + a*c.p5*2
	b = b/4 + c.p4*65536
	a = (c.p3*a*a/16384 + c.p2*a) / 524288
	a = (1 + a/32768) * c.p1
	p := (1048576 - raw - b/4096) * 6250 / a
	cube := p / 256 * p / 256 * p / 256
	return p + (c.p9*p*p/2147483648+p*c.p8/32768+cube*c.p10/131072+c.p7*128)/16
}

// percent is the relative humidity. Source: section 3.3.3.
func (c *calibration) percent(raw, t float64) float64 {
	a := raw - (c.h1*16 + c.h3/2*t)
	b := a * c.h2 / 262144 * (1 + c.h4/16384*t + c.h5/1048576*t*t)
	return b + (c.h6/16384+c.h7/2097152*t)*b*b
}

// heater is the setting that heats the plate to a temperature. Source: section 3.3.5.
func (c *calibration) heater(target, ambient float64) byte {
	a := c.g1/16 + 49
	b := c.g2/32768*0.0005 + 0.00235
	d := a*(1+b*target) + c.g3/1024*ambient
	return byte(min(max(3.4*(d*4/(4+c.heatRange)/(1+c.heatVal*0.002)-25), 0), 255))
}

// ohms is the resistance of the gas layer. Source: section 3.4.1 and table 16; for the BME688 BST-BME688-DS000, section 3.7.1.
func (c *calibration) ohms(raw uint16, gasRange byte) float64 {
	if c.bme688 {
		return 1e6 * float64(int(262144)>>gasRange) / (4096 + 3*(float64(raw)-512))
	}
	k1 := [16]float64{1, 1, 1, 1, 1, 0.99, 1, 0.992, 1, 1, 0.998, 0.995, 1, 0.99, 1, 1}
	k2 := [16]float64{8e6, 4e6, 2e6, 1e6, 499500.4995, 248262.1648, 125000, 63004.03226, 31281.28128, 15625, 7812.5, 3906.25, 1953.125, 976.5625, 488.28125, 244.140625}
	a := (1340 + 5*c.rangeError) * k1[gasRange]
	return a * k2[gasRange] / (float64(raw) - 512 + a)
}
