package disk

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"database/sql"
	"encoding"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// sessionLife is how long an upload session is kept after its last use.
const sessionLife = 7 * 24 * time.Hour

// session is a row of an upload session.
type session struct {
	id       string
	options  bucket.PutOptions
	received int64
	md5      hash.Hash
	crc      uint32
	object   *bucket.Object
}

func (s *Store) upload(id string) string { return filepath.Join(s.dir, "uploads", id) }

// StartUpload implements bucket.Store.
func (s *Store) StartUpload(ctx context.Context, o bucket.PutOptions) (string, error) {
	if err := s.early(ctx, &o); err != nil {
		return "", err
	}
	u := session{id: rand.Text(), options: o, md5: md5.New()}
	f, err := os.OpenFile(s.upload(u.id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), syncDir(filepath.Join(s.dir, "uploads")))
	}
	if err != nil {
		return "", translate(err)
	}
	return u.id, s.saveSession(ctx, &u)
}

func (s *Store) saveSession(ctx context.Context, u *session) error {
	state, err := u.md5.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	var object any
	if u.object != nil {
		object = toJSON(u.object)
	}
	return s.tx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO uploads (id, options, received, md5, crc32c, object, touched) VALUES (?, ?, ?, ?, ?, ?, ?)",
			u.id, toJSON(u.options), u.received, state, u.crc, object, time.Now().Unix())
		return err
	})
}

func (s *Store) session(ctx context.Context, id string) (*session, error) {
	u := session{id: id, md5: md5.New()}
	var options string
	var state []byte
	var object sql.NullString
	err := s.read.QueryRowContext(ctx, "SELECT options, received, md5, crc32c, object FROM uploads WHERE id = ?", id).Scan(&options, &u.received, &state, &u.crc, &object)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.Errorf(fault.NotFound, "no upload session %s: it was cancelled, has expired, or never was", id)
	}
	if err != nil {
		return nil, translate(err)
	}
	if err := json.Unmarshal([]byte(options), &u.options); err != nil {
		return nil, err
	}
	if object.Valid {
		if err := json.Unmarshal([]byte(object.String), &u.object); err != nil {
			return nil, err
		}
	}
	return &u, u.md5.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
}

// hold makes this call the only one on a session.
func (s *Store) hold(id string) func() {
	s.mu.Lock()
	m := s.sessions[id]
	if m == nil {
		m = &sync.Mutex{}
		s.sessions[id] = m
	}
	s.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// Upload implements bucket.Store.
func (s *Store) Upload(ctx context.Context, id string, offset, total int64, body io.Reader) (bucket.UploadState, error) {
	done, err := s.takeIn()
	if err != nil {
		return bucket.UploadState{}, err
	}
	defer done()
	defer s.hold(id)()
	u, err := s.session(ctx, id)
	if err != nil {
		return bucket.UploadState{}, err
	}
	state := func() bucket.UploadState { return bucket.UploadState{Received: u.received, Object: u.object} }
	if u.object != nil {
		return state(), nil
	}
	promise, _ := body.(*bucket.Promise)
	if offset > u.received {
		return state(), fault.Errorf(fault.Precondition, "the chunk begins at byte %d, but only %d bytes have been received", offset, u.received)
	}
	f, err := os.OpenFile(s.upload(id), os.O_WRONLY, 0)
	if err != nil {
		return state(), translate(err)
	}
	defer f.Close()
	// What a crash left beyond the bytes that were acknowledged is written
	// again.
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil && end < u.received {
		return state(), fault.Errorf(fault.Internal, "upload session %s is damaged: %d bytes were acknowledged, %d are on the disk", id, u.received, end).
			WithHint("cancel it and start again")
	}
	if err == nil {
		err = f.Truncate(u.received)
	}
	if err == nil {
		_, err = f.Seek(u.received, io.SeekStart)
	}
	if err != nil {
		return state(), translate(err)
	}
	var broken error
	if _, err := io.CopyN(io.Discard, body, u.received-offset); err != nil && err != io.EOF {
		return state(), cut(err)
	}
	if total >= 0 {
		body = io.LimitReader(body, total-u.received+1)
	}
	before := u.received
	sum := sums{md5: u.md5, crc: u.crc}
	n, err := intake(f, body, &sum)
	if err != nil {
		broken = cut(err)
		if _, ours := errors.AsType[*fs.PathError](err); ours {
			return state(), broken // the hashes have seen what the disk has not
		}
	}
	u.received += n
	u.crc = sum.crc
	if total >= 0 && u.received > total {
		return bucket.UploadState{Received: before}, fault.Errorf(fault.Invalid, "the body has more bytes than the %d that were announced", total)
	}
	if err := f.Sync(); err != nil {
		return bucket.UploadState{Received: before}, translate(err)
	}
	if broken == nil && total >= 0 && u.received == total {
		if promise != nil {
			keepPromise(&u.options, promise)
		}
		if err := s.finish(ctx, u); err != nil {
			return bucket.UploadState{Received: before}, err
		}
		return state(), nil
	}
	if err := s.saveSession(ctx, u); err != nil {
		return bucket.UploadState{Received: before}, err
	}
	return state(), broken
}

func keepPromise(o *bucket.PutOptions, p *bucket.Promise) {
	if p.WantMD5 != nil {
		o.WantMD5 = p.WantMD5
	}
	if p.WantCRC32C != nil {
		o.WantCRC32C = p.WantCRC32C
	}
}

// finish makes the object of a session whose last byte has come. The content
// keeps its name in uploads until the row is there.
func (s *Store) finish(ctx context.Context, u *session) error {
	if u.options.Size <= 0 {
		u.options.Size = -1
	}
	sum := u.md5.Sum(nil)
	if err := u.options.CheckBody(u.received, sum, u.crc); err != nil {
		return errors.Join(err, s.forget(ctx, u.id))
	}
	name, err := s.link(s.upload(u.id))
	if err != nil {
		return translate(err)
	}
	object := u.options.Object
	object.Size, object.MD5, object.CRC32C = u.received, sum, u.crc
	var unused string
	err = s.tx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
		if unused, err = s.place(ctx, tx, &object, name, u.options.Conditions); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE uploads SET received = ?, object = ?, touched = ? WHERE id = ?", u.received, toJSON(object), time.Now().Unix(), u.id)
		return err
	})
	if err != nil {
		s.drop(name)
		return err
	}
	u.object = &object
	s.drop(unused)
	_ = os.Remove(s.upload(u.id)) // the sweep finds what stays
	return nil
}

// UploadStatus implements bucket.Store.
func (s *Store) UploadStatus(ctx context.Context, id string) (bucket.UploadState, error) {
	u, err := s.session(ctx, id)
	if err != nil {
		return bucket.UploadState{}, err
	}
	return bucket.UploadState{Received: u.received, Object: u.object}, nil
}

// CancelUpload implements bucket.Store.
func (s *Store) CancelUpload(ctx context.Context, id string) error {
	defer s.hold(id)()
	if _, err := s.session(ctx, id); err != nil {
		return err
	}
	return s.forget(ctx, id)
}

func (s *Store) forget(ctx context.Context, id string) error {
	err := s.tx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM uploads WHERE id = ?", id)
		return err
	})
	if err == nil {
		_ = os.Remove(s.upload(id))
	}
	return err
}

// sweepUploads removes sessions that nobody has used for a week, and files
// whose session is gone.
func (s *Store) sweepUploads(ctx context.Context) error {
	err := s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM uploads WHERE touched < ?", time.Now().Add(-sessionLife).Unix())
		return err
	})
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, "uploads"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		u, err := s.session(ctx, e.Name())
		if fault.Is(err, fault.NotFound) || err == nil && u.object != nil {
			err = os.Remove(s.upload(e.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
