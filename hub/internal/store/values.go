package store

import (
	"fmt"

	"github.com/telltale-iot/telltale/schema"
)

// How values and qualities are written in SQL. The storage class tells the type: REAL a number, INTEGER a bool, TEXT a string.

func valueToSQL(v schema.Value) any {
	switch v.Type() {
	case schema.TypeNumber:
		f, _ := v.Float()
		return f
	case schema.TypeBool:
		if v.IsTrue() {
			return int64(1)
		}
		return int64(0)
	case schema.TypeString:
		return v.Str()
	}
	return nil
}

func valueFromSQL(x any) (schema.Value, error) {
	switch x := x.(type) {
	case nil:
		return schema.Value{}, nil
	case float64:
		return schema.Number(x), nil
	case int64:
		return schema.Bool(x == 1), nil
	case string:
		return schema.Text(x), nil
	case []byte:
		return schema.Text(string(x)), nil
	}
	return schema.Value{}, fmt.Errorf("value column holds a %T", x)
}

func qualities() []schema.Quality {
	return []schema.Quality{schema.QualityOK, schema.QualityFault, schema.QualityRange, schema.QualityStale, schema.QualitySim}
}

func timeQualities() []schema.TimeQuality {
	return []schema.TimeQuality{schema.TimeSynced, schema.TimeRelative, schema.TimeEstimated, schema.TimeSkewed}
}

// qualityToSQL maps what it does not know to fault: a reading of unknown worth must not look good.
func qualityToSQL(q schema.Quality) int64 {
	switch q {
	case "", schema.QualityOK:
		return 0
	case schema.QualityRange:
		return 2
	case schema.QualityStale:
		return 3
	case schema.QualitySim:
		return 4
	}
	return 1
}

func qualityFromSQL(n int64) schema.Quality {
	if all := qualities(); n >= 0 && n < int64(len(all)) {
		return all[n]
	}
	return schema.QualityFault
}

// timeQualityToSQL maps what it does not know to estimated.
func timeQualityToSQL(q schema.TimeQuality) int64 {
	switch q {
	case "", schema.TimeSynced:
		return 0
	case schema.TimeRelative:
		return 1
	case schema.TimeSkewed:
		return 3
	}
	return 2
}

func timeQualityFromSQL(n int64) schema.TimeQuality {
	if all := timeQualities(); n >= 0 && n < int64(len(all)) {
		return all[n]
	}
	return schema.TimeEstimated
}
