package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// schemaVersion is PRAGMA user_version. A file of a newer one is refused.
const schemaVersion = 1

// busyTimeout is for the moments in which SQLite locks the file as a whole.
const busyTimeout = 5 * time.Second

const schema = `
CREATE TABLE IF NOT EXISTS kv (
	key          TEXT PRIMARY KEY,
	value        BLOB NOT NULL,
	mod_revision INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS head (
	id       INTEGER PRIMARY KEY CHECK (id = 1),
	revision INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO head VALUES (1, 0);
PRAGMA user_version = 1;`

// conn is a connection with its prepared statements, for one goroutine at a time.
type conn struct {
	db *sqlite3.Conn

	getRow, listRows, getHead            *sqlite3.Stmt
	getRevision, putRow, delRow, putHead *sqlite3.Stmt
}

// openFile opens the database without touching it. FULL syncs the log at every commit.
func openFile(file, vfs string) (*sqlite3.Conn, error) {
	u := url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: "vfs=" + vfs}
	db, err := sqlite3.OpenFlags(u.String(), sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE|sqlite3.OPEN_URI)
	if err != nil {
		return nil, err
	}
	// SQLite would empty the log when the last connection closes, also after it
	// has misread a damaged one, which then nobody could look at any more.
	_, err = db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	if err := errors.Join(err, db.BusyTimeout(busyTimeout)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// openConn opens a file that prepare has seen.
func openConn(file, vfs string) (*conn, error) {
	db, err := openFile(file, vfs)
	if err != nil {
		return nil, err
	}
	c := &conn{db: db}
	if err := c.init(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *conn) init() error {
	if err := c.db.Exec(`PRAGMA synchronous = FULL`); err != nil {
		return err
	}
	for _, s := range []struct {
		stmt **sqlite3.Stmt
		sql  string
	}{
		{&c.getRow, `SELECT value, mod_revision FROM kv WHERE key = ?`},
		{&c.listRows, `SELECT key, value, mod_revision FROM kv WHERE key >= ? ORDER BY key`},
		{&c.getHead, `SELECT revision FROM head`},
		{&c.getRevision, `SELECT mod_revision FROM kv WHERE key = ?`},
		{&c.putRow, `INSERT INTO kv VALUES (?, ?, ?) ON CONFLICT (key)
			DO UPDATE SET value = excluded.value, mod_revision = excluded.mod_revision`},
		{&c.delRow, `DELETE FROM kv WHERE key = ?`},
		{&c.putHead, `UPDATE head SET revision = ?`},
	} {
		stmt, _, err := c.db.Prepare(s.sql)
		if err != nil {
			return err
		}
		*s.stmt = stmt
	}
	return nil
}

func (c *conn) close() error {
	if c == nil {
		return nil
	}
	for _, s := range slices.Collect(c.db.Stmts()) {
		_ = s.Close() // repeats the error of its last step
	}
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// prepare makes a new file ours and checks an old one. Every step may have been
// interrupted before and is repeated then. Where revisions were acknowledged, a
// file without any is not taken for a new one.
func prepare(ctx context.Context, file, vfs string, acknowledged int64) (err error) {
	db, err := openFile(file, vfs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetInterrupt(ctx)
	version, err := firstColumn(db, `PRAGMA user_version`)
	if err != nil {
		return err
	}
	switch {
	case version == "0" && acknowledged > 0:
		return lost(file, 0, acknowledged)
	case version == "0":
		return create(db)
	case version == strconv.Itoa(schemaVersion):
		return check(db, file, acknowledged)
	default:
		return fmt.Errorf("%s has version %s, this program knows %d; use a newer program", file, version, schemaVersion)
	}
}

func lost(file string, revision, acknowledged int64) error {
	return &store.CorruptError{File: file, Detail: fmt.Sprintf(
		"it ends at revision %d, but revision %d was acknowledged", revision, acknowledged)}
}

func create(db *sqlite3.Conn) error {
	if err := db.EnableChecksums("main"); err != nil {
		return err
	}
	if err := db.Exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`); err != nil {
		return err
	}
	if err := db.Exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := db.Exec(schema); err != nil {
		return errors.Join(err, db.Exec(`ROLLBACK`))
	}
	return db.Exec(`COMMIT`)
}

// check finds every damage before anything is written.
func check(db *sqlite3.Conn, file string, acknowledged int64) error {
	mode, err := firstColumn(db, `PRAGMA journal_mode`)
	if err != nil {
		return err
	}
	sums, err := firstColumn(db, `PRAGMA checksum_verification`)
	if err != nil {
		return err
	}
	if mode != "wal" || sums != "1" {
		return &store.CorruptError{File: file, Detail: "its header says journal " + mode + ", checksums " + sums}
	}
	found, err := firstColumn(db, `PRAGMA quick_check(1)`)
	if err != nil {
		return err
	}
	if found != "ok" {
		return &store.CorruptError{File: file, Detail: strings.ReplaceAll(found, "\n", "; ")}
	}
	revision, err := firstNumber(db, `SELECT revision FROM head`)
	if err != nil {
		return err
	}
	if revision < acknowledged {
		return lost(file, revision, acknowledged)
	}
	return nil
}

func firstNumber(db *sqlite3.Conn, sql string) (int64, error) {
	text, err := firstColumn(db, sql)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func firstColumn(db *sqlite3.Conn, sql string) (string, error) {
	stmt, _, err := db.Prepare(sql)
	if err != nil {
		return "", err
	}
	text := ""
	if stmt.Step() {
		text = stmt.ColumnText(0)
	}
	return text, errors.Join(stmt.Err(), stmt.Close())
}

// damage tells a damaged file from other faults.
func damage(file, doing string, err error) error {
	for _, code := range []error{sqlite3.CORRUPT, sqlite3.NOTADB, sqlite3.IOERR_DATA, sqlite3.IOERR_CORRUPTFS} {
		if errors.Is(err, code) {
			return &store.CorruptError{File: file, Detail: err.Error()}
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func (c *conn) get(key string) (kv store.KV, err error) {
	s := c.getRow
	defer func() { err = errors.Join(err, s.Reset()) }()
	if err := s.BindText(1, key); err != nil {
		return store.KV{}, err
	}
	if !s.Step() {
		if err := s.Err(); err != nil {
			return store.KV{}, err
		}
		return store.KV{}, store.ErrNotFound
	}
	return store.KV{Key: key, Value: s.ColumnBlob(0, nil), Revision: s.ColumnInt64(1)}, nil
}

// list reads within one transaction, so that rows and revision belong together.
func (c *conn) list(prefix string) (kvs []store.KV, revision int64, err error) {
	if err := c.db.Exec(`BEGIN`); err != nil {
		return nil, 0, err
	}
	defer func() {
		err = errors.Join(err, c.listRows.Reset())
		// An interrupted context must not leave the transaction open.
		c.db.SetInterrupt(context.Background())
		err = errors.Join(err, c.db.Exec(`ROLLBACK`))
	}()
	if revision, err = c.headRevision(); err != nil {
		return nil, 0, err
	}
	if err := c.listRows.BindText(1, prefix); err != nil {
		return nil, 0, err
	}
	for c.listRows.Step() {
		key := c.listRows.ColumnText(0)
		if !strings.HasPrefix(key, prefix) {
			break
		}
		kvs = append(kvs, store.KV{
			Key: key, Value: c.listRows.ColumnBlob(1, nil), Revision: c.listRows.ColumnInt64(2),
		})
	}
	return kvs, revision, c.listRows.Err()
}

func (c *conn) headRevision() (rev int64, err error) {
	if c.getHead.Step() {
		rev = c.getHead.ColumnInt64(0)
	}
	return rev, errors.Join(c.getHead.Err(), c.getHead.Reset())
}

// revisionOf is 0 for a missing key.
func (c *conn) revisionOf(key string) (rev int64, err error) {
	s := c.getRevision
	defer func() { err = errors.Join(err, s.Reset()) }()
	if err := s.BindText(1, key); err != nil {
		return 0, err
	}
	if s.Step() {
		rev = s.ColumnInt64(0)
	}
	return rev, s.Err()
}

func (c *conn) write(op store.Op, rev int64) error {
	if op.Delete {
		return errors.Join(c.delRow.BindText(1, op.Key), c.delRow.Exec())
	}
	value := op.Value
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	return errors.Join(
		c.putRow.BindText(1, op.Key),
		c.putRow.BindBlob(2, value),
		c.putRow.BindInt64(3, rev),
		c.putRow.Exec(),
	)
}

func (c *conn) writeHead(rev int64) error {
	return errors.Join(c.putHead.BindInt64(1, rev), c.putHead.Exec())
}
