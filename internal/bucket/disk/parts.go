package disk

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

func noParts(id string) error {
	return fault.Errorf(fault.NotFound, "no upload in parts %s: it was finished or aborted, has expired, or never was", id)
}

// StartParts implements bucket.Store.
func (s *Store) StartParts(ctx context.Context, o bucket.PutOptions) (string, error) {
	o.Size = -1
	if err := s.early(ctx, &o); err != nil {
		return "", err
	}
	u := bucket.PartUpload{ID: rand.Text(), Options: o, Started: time.Now().UTC().Truncate(time.Millisecond)}
	return u.ID, s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO multiparts (id, bucket, name, facts, touched) VALUES (?, ?, ?, ?, ?)", u.ID, o.Bucket, []byte(o.Name), toJSON(u), time.Now().Unix())
		return err
	})
}

// partUpload reads the row of an upload in parts. object is what it became.
func partUpload(ctx context.Context, q querier, id string) (u bucket.PartUpload, object *bucket.Object, err error) {
	var facts string
	var done sql.NullString
	err = q.QueryRowContext(ctx, "SELECT facts, object FROM multiparts WHERE id = ?", id).Scan(&facts, &done)
	if errors.Is(err, sql.ErrNoRows) {
		return u, nil, noParts(id)
	}
	if err != nil {
		return u, nil, translate(err)
	}
	if done.Valid {
		if err := json.Unmarshal([]byte(done.String), &object); err != nil {
			return u, nil, err
		}
	}
	return u, object, json.Unmarshal([]byte(facts), &u)
}

// PutPart implements bucket.Store. Parts are content files like any other; the
// row of the part names them until the object does.
func (s *Store) PutPart(ctx context.Context, id string, number int, o bucket.PutOptions, body io.Reader) (bucket.Part, error) {
	if number < 1 || number > bucket.MaxParts {
		return bucket.Part{}, fault.Errorf(fault.Invalid, "part number %d is not between 1 and %d", number, bucket.MaxParts)
	}
	if _, object, err := partUpload(ctx, s.read, id); err != nil || object != nil {
		return bucket.Part{}, errors.Join(err, ifDone(object, id))
	}
	if o.Size > 0 {
		if err := s.Room(o.Size); err != nil {
			return bucket.Part{}, err
		}
	}
	done, err := s.takeIn()
	if err != nil {
		return bucket.Part{}, err
	}
	defer done()
	f, name, err := s.newFile()
	if err != nil {
		return bucket.Part{}, translate(err)
	}
	defer f.Close()
	sum := newSums()
	n, err := intake(f, body, sum)
	md5 := sum.md5.Sum(nil)
	if err != nil {
		err = cut(err)
	} else {
		err = o.CheckBody(n, md5, sum.crc)
	}
	if err == nil {
		err = s.settle(f, name)
	}
	p := bucket.Part{Number: number, Size: n, MD5: md5, CRC32C: sum.crc, Updated: time.Now().UTC().Truncate(time.Millisecond)}
	var replaced string
	if err == nil {
		err = s.tx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
			if _, object, err := partUpload(ctx, tx, id); err != nil || object != nil {
				return errors.Join(err, ifDone(object, id))
			}
			err := tx.QueryRowContext(ctx, "SELECT file FROM parts WHERE upload = ? AND number = ?", id, number).Scan(&replaced)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO parts (upload, number, file, facts) VALUES (?, ?, ?, ?)", id, number, name, toJSON(p)); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "UPDATE multiparts SET touched = ? WHERE id = ?", time.Now().Unix(), id)
			return err
		})
	}
	if err != nil {
		s.drop(name)
		return bucket.Part{}, translate(err)
	}
	s.drop(replaced)
	return p, nil
}

func ifDone(object *bucket.Object, id string) error {
	if object == nil {
		return nil
	}
	return noParts(id)
}

// storedPart is the row of a part.
type storedPart struct {
	bucket.Part
	file string
}

type manyQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func partRows(ctx context.Context, q manyQuerier, id string) ([]storedPart, error) {
	rows, err := q.QueryContext(ctx, "SELECT file, facts FROM parts WHERE upload = ? ORDER BY number", id)
	if err != nil {
		return nil, translate(err)
	}
	defer rows.Close()
	var list []storedPart
	for rows.Next() {
		var p storedPart
		var facts string
		if err := rows.Scan(&p.file, &facts); err != nil {
			return nil, translate(err)
		}
		if err := json.Unmarshal([]byte(facts), &p.Part); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, translate(rows.Err())
}

// Parts implements bucket.Store.
func (s *Store) Parts(ctx context.Context, id string) (bucket.PartUpload, []bucket.Part, error) {
	u, object, err := partUpload(ctx, s.read, id)
	if err != nil || object != nil {
		return u, nil, errors.Join(err, ifDone(object, id))
	}
	rows, err := partRows(ctx, s.read, id)
	var parts []bucket.Part
	for _, p := range rows {
		parts = append(parts, p.Part)
	}
	return u, parts, err
}

// PartUploads implements bucket.Store.
func (s *Store) PartUploads(ctx context.Context, bucketName string) ([]bucket.PartUpload, error) {
	if _, err := findBucket(ctx, s.read, bucketName); err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, "SELECT facts FROM multiparts WHERE bucket = ? AND object IS NULL ORDER BY name, id", bucketName)
	if err != nil {
		return nil, translate(err)
	}
	defer rows.Close()
	var list []bucket.PartUpload
	for rows.Next() {
		var facts string
		var u bucket.PartUpload
		if err := rows.Scan(&facts); err != nil {
			return nil, translate(err)
		}
		if err := json.Unmarshal([]byte(facts), &u); err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, translate(rows.Err())
}

// FinishParts implements bucket.Store.
func (s *Store) FinishParts(ctx context.Context, id string, parts []bucket.PartRef) (bucket.Object, error) {
	defer s.hold(id)()
	u, object, err := partUpload(ctx, s.read, id)
	if err != nil {
		return bucket.Object{}, err
	}
	if object != nil {
		return *object, nil
	}
	stored, err := partRows(ctx, s.read, id)
	if err != nil {
		return bucket.Object{}, err
	}
	chosen, err := choose(stored, parts)
	if err != nil {
		return bucket.Object{}, err
	}
	var files []string
	for _, p := range stored {
		files = append(files, p.file)
	}
	fill := func(f *os.File) (total int64, err error) {
		var sum sums
		for _, p := range chosen {
			n, err := s.appendPart(f, u.Options.Object, p, &sum)
			if err != nil {
				return 0, err
			}
			total += n
		}
		u.Options.MD5, u.Options.CRC32C = nil, sum.crc
		return total, nil
	}
	o, err := s.put(ctx, &u.Options, fill, alongside{after: func(ctx context.Context, tx *sql.Tx, o bucket.Object) ([]string, error) {
		// Whoever put a part again or aborted meanwhile comes first.
		now, err := partRows(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if again, err := choose(now, parts); err != nil || len(now) != len(stored) {
			return nil, errors.Join(err, fault.Errorf(fault.Conflict, "the parts of upload %s changed while it was being finished", id))
		} else {
			for i := range again {
				if again[i].file != chosen[i].file {
					return nil, fault.Errorf(fault.Conflict, "the parts of upload %s changed while it was being finished", id)
				}
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM parts WHERE upload = ?", id); err != nil {
			return nil, err
		}
		_, err = tx.ExecContext(ctx, "UPDATE multiparts SET object = ?, touched = ? WHERE id = ?", toJSON(o), time.Now().Unix(), id)
		return files, err
	}})
	return o, err
}

// choose finds the stored parts that were named.
func choose(stored []storedPart, parts []bucket.PartRef) ([]storedPart, error) {
	if len(parts) == 0 {
		return nil, fault.Errorf(fault.Invalid, "an upload in parts needs at least one part")
	}
	byNumber := make(map[int]storedPart, len(stored))
	for _, p := range stored {
		byNumber[p.Number] = p
	}
	chosen := make([]storedPart, 0, len(parts))
	for i, want := range parts {
		if i > 0 && want.Number <= parts[i-1].Number {
			return nil, &fault.Error{Kind: fault.Invalid, Msg: "The list of parts was not in ascending order. Parts must be ordered by part number.", Err: bucket.ErrPartOrder}
		}
		p, ok := byNumber[want.Number]
		if !ok || want.MD5 != nil && string(want.MD5) != string(p.MD5) {
			return nil, &fault.Error{Kind: fault.Invalid, Msg: "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.", Err: bucket.ErrPart}
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

func (s *Store) appendPart(f *os.File, o bucket.Object, p storedPart, sum *sums) (int64, error) {
	o.Name, o.Size, o.CRC32C = fmt.Sprintf("%s, part %d", o.Name, p.Number), p.Size, p.CRC32C
	part, err := s.reader(o, p.file, 0, -1)
	if err != nil {
		return 0, err
	}
	defer part.Close()
	return intake(f, part, sum)
}

// AbortParts implements bucket.Store.
func (s *Store) AbortParts(ctx context.Context, id string) error {
	defer s.hold(id)()
	_, object, err := partUpload(ctx, s.read, id)
	if err != nil || object != nil {
		return errors.Join(err, ifDone(object, id))
	}
	return s.forgetParts(ctx, id)
}

func (s *Store) forgetParts(ctx context.Context, id string) error {
	var rows []storedPart
	err := s.tx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) (err error) {
		if rows, err = partRows(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM parts WHERE upload = ?", id); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM multiparts WHERE id = ?", id)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range rows {
		s.drop(p.file)
	}
	return nil
}

// sweepParts forgets uploads in parts that nobody has used for a week.
func (s *Store) sweepParts(ctx context.Context, now time.Time) error {
	rows, err := s.read.QueryContext(ctx, "SELECT id FROM multiparts WHERE touched < ?", now.Add(-sessionLife).Unix())
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return translate(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return translate(err)
	}
	for _, id := range ids {
		if err := s.forgetParts(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
