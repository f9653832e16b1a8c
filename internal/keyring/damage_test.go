package keyring

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsDamage(t *testing.T) {
	db, err := openDB(filepath.Join(t.TempDir(), "x.db"), 1)
	require.NoError(t, err)
	defer db.Close() //nolint:errcheck // a test
	var text string
	null := db.QueryRowContext(t.Context(), "SELECT NULL").Scan(&text)
	none := db.QueryRowContext(t.Context(), "SELECT 1 WHERE 1 = 2").Scan(&text)
	schema := db.QueryRowContext(t.Context(), "SELECT x FROM nothing").Scan(&text)
	for _, err := range []error{null, none, schema, &IntegrityError{Table: "keys"}, ErrRootWrong, ErrProtected, errDamaged} {
		require.Error(t, err)
		require.True(t, IsDamage(fmt.Errorf("opening: %w", err)), "%v", err)
	}
	for _, err := range []error{nil, ErrRootMissing, ErrRootExposed, ErrNewer, context.Canceled, errors.New("no space left")} {
		require.False(t, IsDamage(err), "%v", err)
	}
}
