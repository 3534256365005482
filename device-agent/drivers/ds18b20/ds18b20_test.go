package ds18b20

import "testing"

func FuzzParse(f *testing.F) {
	f.Add([]byte("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"))
	f.Add([]byte("YES\nt=-1"))
	f.Add([]byte("crc=00 NO\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err == nil && (c != c || c > 3e6 || c < -3e6) {
			t.Fatalf("%q gave %g", data, c)
		}
	})
}
