package pack_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/schema"
)

// Whatever the bytes are, Decode says that they are damaged or gives a block that can be packed again. Few random bytes have the right checksum, so
// each input is tried with it, too.
func FuzzDecode(f *testing.F) {
	for _, data := range packedGoldens(f) {
		f.Add(data)
		f.Add(data[:len(data)-4])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tryDecode(t, data)
		tryDecode(t, summed(data))
	})
}

// What is damaged where the checksum cannot tell (a writer with a fault, say) gives no block that breaks the rules.
func TestNoBlockBreaksTheRules(t *testing.T) {
	for _, data := range packedGoldens(t) {
		body := data[:len(data)-4]
		for i := range 8 * len(body) {
			if i > 8*40 && i%3 > 0 { // two or three bits of a byte are enough behind what says how all is written
				continue
			}
			body[i/8] ^= 1 << (i % 8)
			tryDecode(t, summed(body))
			body[i/8] ^= 1 << (i % 8)
		}
		for i := 0; i < len(body); i += 5 {
			tryDecode(t, summed(body[:i]))
		}
	}
}

// packedGoldens returns the golden blocks of version 1.
func packedGoldens(tb testing.TB) (packed [][]byte) {
	tb.Helper()
	files, err := filepath.Glob("testdata/v1/*.hex")
	if err != nil || len(files) == 0 {
		tb.Fatal("no golden blocks to begin with", err)
	}
	for _, file := range files {
		packed = append(packed, golden(tb, file))
	}
	return packed
}

// summed returns body with the checksum that a writer would put behind it.
func summed(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

func tryDecode(t *testing.T, data []byte) {
	var b pack.Block
	if err := pack.Decode(&b, data); err != nil {
		if !errors.Is(err, pack.ErrDamaged) {
			t.Fatalf("refused with %v", err)
		}
		if cap(b.TMS) > 2*pack.MaxReadings || cap(b.Text) > 2*pack.MaxReadings {
			t.Fatalf("room for %d readings was made for damaged data", cap(b.TMS))
		}
		return
	}
	again, err := pack.Append(nil, &b)
	if err != nil {
		t.Fatalf("what was read breaks the rules: %v", err)
	}
	var got pack.Block
	if err := pack.Decode(&got, again); err != nil {
		t.Fatal(err)
	}
	for i, v := range b.Num {
		b.Num[i] = v + 0 // −0 becomes 0
	}
	same(t, &b, &got)
}

// Any block that keeps the rules comes back. The bytes are read as steps of time, marks and values in one of some forms.
func FuzzRoundTrip(f *testing.F) {
	for form := range byte(8) {
		f.Add(form, form%2 == 1, []byte("times and values of a few readings that are anything but regular, and some more"))
		f.Add(form, false, []byte{10, 0, 0, 10, 1, 0, 10, 2, 0, 10, 1, 0, 10, 1, 0, 10, 2, 0, 10, 3, 0, 10, 2, 0, 10, 2, 0, 10, 2, 0, 10, 1, 0, 10, 1, 0})
	}
	f.Fuzz(func(t *testing.T, form byte, marked bool, data []byte) {
		b := blockOf(form%8, marked, data)
		roundTrip(t, b)
	})
}

// blockOf makes a block of bytes. Forms 0 to 5 are numbers.
func blockOf(form byte, marked bool, data []byte) *pack.Block {
	b := &pack.Block{Kind: pack.Numbers}
	at := int64(start)
	number := 0.0
	for b.Len() < 5000 {
		step, n := binary.Uvarint(data)
		if n <= 0 {
			break
		}
		data = data[n:]
		if at += int64(step >> 1); at < start || len(b.TMS) > 0 && at < b.TMS[len(b.TMS)-1] {
			at = math.MaxInt64
		}
		var raw [8]byte
		size := copy(raw[:], data[:min(len(data), []int{8, 1, 2, 4, 4, 1, 1, 3}[form])])
		data = data[size:]
		v := int64(binary.LittleEndian.Uint64(raw[:]))
		mark := pack.Mark(0)
		if marked && step&1 == 1 {
			mark = pack.NewMark(uint8(v), uint8(v>>3), v&32 != 0)
		}
		b.Marks = append(b.Marks, mark)
		b.TMS = append(b.TMS, at)
		switch form {
		case 0:
			number = math.Float64frombits(uint64(v))
		case 1:
			number += float64(int8(v)) / 100
		case 2:
			number = float64(v) / 3
		case 3:
			number = float64(math.Float32frombits(uint32(v)))
		case 4:
			number = float64(v) * 1e12
		case 5:
			number = float64(v/16) / 10
		case 6:
			b.Kind, number = pack.Bools, float64(v&1)
		case 7:
			b.Kind = pack.Texts
			b.Text = append(b.Text, strings.Repeat(string(raw[:size]), int(step%80))[:min(schema.MaxText, size*int(step%80))])
		}
		if number-number != 0 || mark.Null() {
			number = 0
		}
		if b.Kind == pack.Texts && mark.Null() {
			b.Text[b.Len()-1] = ""
		} else if b.Kind != pack.Texts {
			b.Num = append(b.Num, number+0)
		}
	}
	return b
}
