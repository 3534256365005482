package look

import (
	"context"
	"errors"
	"fmt"
)

// Answer takes the rows of a query.
type Answer interface {
	// Columns comes first, once.
	Columns(names []string) error
	// Row has one value per column: nil, int64, float64, string or []byte. The slice is used again.
	Row(values []any) error
}

// Ask runs one query on a store's file and passes its rows on as they come. Errors are for people, with SQLite's own words for a query that is
// wrong; a.Row's end it.
func Ask(ctx context.Context, file, query string, a Answer) (err error) {
	db, err := Open(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("sql: %w", err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	if err := a.Columns(names); err != nil {
		return err
	}
	values, to := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		to[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if err := a.Row(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("sql: %w", err)
	}
	return nil
}
