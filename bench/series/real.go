package series

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

const (
	// leastReal is how many readings a column must have to be of use.
	leastReal = 1000
	// leastDistinct is how many of them must differ: labels and counters of the sample are no sensors.
	leastDistinct = 16
	// digitsReal is how many digits sensors have: published data are often averages with fifteen.
	digitsReal = 4
)

// Real reads the columns of numbers of all CSV files in a folder that look like a sensor's: at least a thousand readings, not ever rising.
// Values are rounded to four digits of the column's largest, as sensors give them.
func Real(dir string) (columns [][]float64, names []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		table, heads, err := numbers(file)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", file, err)
		}
		for i, column := range table {
			if sensible(column) {
				columns = append(columns, rounded(column))
				names = append(names, heads[i])
			}
		}
	}
	if len(columns) == 0 {
		return nil, nil, fmt.Errorf("no file in %s has a column of at least %d readings", dir, leastReal)
	}
	return columns, names, nil
}

// numbers returns the columns of a CSV file with a heading. A cell that is no number ends its row's use for that column.
func numbers(file string) (table [][]float64, heads []string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	table = make([][]float64, len(rows[0]))
	for _, row := range rows[1:] {
		for i, text := range row {
			if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
				table[i] = append(table[i], v)
			}
		}
	}
	return table, rows[0], nil
}

func sensible(column []float64) bool {
	if len(column) < leastReal {
		return false
	}
	distinct, rising := map[float64]bool{}, true
	for i, v := range column {
		distinct[v] = true
		rising = rising && (i == 0 || v > column[i-1])
	}
	return len(distinct) >= leastDistinct && !rising
}

func rounded(column []float64) []float64 {
	most := 0.0
	for _, v := range column {
		most = max(most, math.Abs(v))
	}
	digits := digitsReal - 1 - int(math.Floor(math.Log10(most)))
	for i, v := range column {
		column[i] = round(v, digits)
	}
	return column
}
