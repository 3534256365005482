package export

import (
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// rowGroup is how many readings a row group holds. Its columns lie in memory, compressed, until it is whole: 1 to 3 MB with what sensors
	// measure, 13 MB at most, with texts that are long and all different. A reader skips what it does not want by row groups.
	rowGroup = 1 << 16
	// pageBytes is how large a page of a column gets before it is compressed.
	pageBytes = 64 << 10
	// atOnce is how many readings go to the library in one call.
	atOnce = 512
)

// parquetRow is the schema of the file. Exactly one of number, flag and text is set, or none when there is no value.
type parquetRow struct {
	Device      string   `parquet:"device,dict"`
	Channel     string   `parquet:"channel,dict"`
	Time        int64    `parquet:"time,timestamp(millisecond),delta"`
	Number      *float64 `parquet:"number,optional"`
	Flag        *bool    `parquet:"flag,optional"`
	Text        *string  `parquet:"text,optional"`
	Unit        string   `parquet:"unit,dict"`
	Quality     string   `parquet:"quality,dict"`
	TimeQuality string   `parquet:"time_quality,dict"`
}

type parquetForm struct {
	w       *parquet.GenericWriter[parquetRow]
	rows    []parquetRow
	numbers [atOnce]float64 // what Number of rows points to, as flags and texts
	flags   [atOnce]bool
	texts   [atOnce]string
}

func newParquet(w io.Writer, group int64) *parquetForm {
	return &parquetForm{
		w: parquet.NewGenericWriter[parquetRow](w,
			parquet.CreatedBy("telltale", "1", "0"),
			parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault, Concurrency: 1}),
			parquet.MaxRowsPerRowGroup(group), parquet.PageBufferSize(pageBytes)),
		rows: make([]parquetRow, 0, atOnce),
	}
}

func (f *parquetForm) put(r *Row) (bool, error) {
	p := parquetRow{Device: r.Device, Channel: r.Channel, Time: r.TMS, Unit: r.Unit,
		Quality: string(quality(r.Quality)), TimeQuality: string(timeQuality(r.Time))}
	i := len(f.rows)
	switch r.Value.Type() {
	case schema.TypeNumber:
		f.numbers[i], _ = r.Value.Float()
		p.Number = &f.numbers[i]
	case schema.TypeBool:
		f.flags[i] = r.Value.IsTrue()
		p.Flag = &f.flags[i]
	case schema.TypeString:
		f.texts[i] = r.Value.Str()
		p.Text = &f.texts[i]
	}
	f.rows = append(f.rows, p)
	if len(f.rows) < atOnce {
		return true, nil
	}
	return true, f.flush()
}

func (f *parquetForm) flush() error {
	_, err := f.w.Write(f.rows)
	f.rows = f.rows[:0]
	return err
}

func (f *parquetForm) end() error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.w.Close()
}
