package disk

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// findNoncurrent reads the row of a noncurrent object; one that is not there is
// no error.
func findNoncurrent(ctx context.Context, q querier, bucketName, name string, generation int64) (f found, err error) {
	var facts string
	err = q.QueryRowContext(ctx, "SELECT file, facts FROM noncurrent WHERE bucket = ? AND name = ? AND generation = ?", bucketName, []byte(name), generation).Scan(&f.file, &facts)
	if errors.Is(err, sql.ErrNoRows) {
		return f, nil
	}
	if err != nil {
		return f, translate(err)
	}
	f.exists, f.table = true, "noncurrent"
	return f, json.Unmarshal([]byte(facts), &f.Object)
}

// keep is called before the row of a live object goes: a versioned bucket gets
// it as a noncurrent one. It returns the file that no row will name any more.
func keep(ctx context.Context, tx *sql.Tx, was found) (unused string, err error) {
	if !was.exists {
		return "", nil
	}
	b, err := findBucket(ctx, tx, was.Bucket)
	if err != nil || !b.Versioning {
		return was.file, err
	}
	o := was.Object
	o.Deleted = time.Now().UTC().Truncate(time.Millisecond)
	_, err = tx.ExecContext(ctx, "INSERT INTO noncurrent (bucket, name, generation, metageneration, size, file, facts) VALUES (?, ?, ?, ?, ?, ?, ?)",
		o.Bucket, []byte(o.Name), o.Generation, o.Metageneration, o.Size, was.file, toJSON(o))
	return "", err
}

// remove takes an object away, for good or, where it is live in a versioned
// bucket, into the noncurrent ones. It returns the file that no row names any
// more.
func remove(ctx context.Context, tx *sql.Tx, f found, forGood bool) (unused string, err error) {
	unused = f.file
	if f.table == "objects" && !forGood {
		if unused, err = keep(ctx, tx, f); err != nil {
			return "", err
		}
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM "+f.table+" WHERE bucket = ? AND name = ? AND generation = ?", f.Bucket, []byte(f.Name), f.Generation)
	return unused, err
}
