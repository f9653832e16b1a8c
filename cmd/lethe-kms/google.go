package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	cloudkms "cloud.google.com/go/kms/apiv1"
	gax "github.com/googleapis/gax-go/v2"
	"gocloud.dev/secrets/gcpkms"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"lethe/internal/rootkey"
)

// google opens symmetric keys of Cloud KMS, with the application default
// credentials unless the options of its client say otherwise.
type google struct{ options []option.ClientOption }

var googleName = regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$`)

func (g google) open(ctx context.Context, u *url.URL) (*keeper, error) {
	id := u.Host + u.Path
	if !googleName.MatchString(id) || u.RawQuery != "" {
		return nil, errors.New("a key of Google is named as gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/KEY, without a version or options")
	}
	client, err := cloudkms.NewKeyManagementClient(ctx, g.options...)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", rootkey.ErrDenied, err) // nothing was asked: the credentials cannot be read
	}
	again := []gax.CallOption{gax.WithRetry(func() gax.Retryer {
		return &limited{gax.OnCodes([]codes.Code{codes.Unavailable}, gax.Backoff{Initial: 100 * time.Millisecond, Max: pause}), attempts - 1}
	})}
	client.CallOptions.Encrypt, client.CallOptions.Decrypt = again, again
	return &keeper{Keeper: gcpkms.OpenKeeper(client, id, nil), sort: googleError, hang: client.Close}, nil
}

// limited retries a few times only: the client's own goes on for a minute.
type limited struct {
	gax.Retryer
	left int
}

// Retry implements gax.Retryer.
func (l *limited) Retry(err error) (time.Duration, bool) {
	if l.left--; l.left < 0 {
		return 0, false
	}
	return l.Retryer.Retry(err)
}

// googleError sorts the codes of gRPC. A key that is disabled, or whose version
// is destroyed, fails a precondition; what another key encrypted is an invalid
// argument.
func googleError(err error) (says string, kind error) {
	var answer interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &answer) {
		return err.Error(), rootkey.ErrUnreachable
	}
	s := answer.GRPCStatus()
	says = fmt.Sprintf("Google says %s: %s", s.Code(), s.Message())
	switch s.Code() {
	case codes.NotFound:
		return says, rootkey.ErrMissing
	case codes.InvalidArgument:
		return says, rootkey.ErrWrong
	case codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition:
		return says, rootkey.ErrDenied
	}
	return says, rootkey.ErrUnreachable
}
