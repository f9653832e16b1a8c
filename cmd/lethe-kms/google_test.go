package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"lethe/internal/rootkey"
)

const googleKeys = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/"

// googleStandIn answers Encrypt and Decrypt of Cloud KMS's gRPC API.
type googleStandIn struct {
	kmspb.UnimplementedKeyManagementServiceServer
	options []option.ClientOption
	t       testing.TB

	mu    sync.Mutex
	keys  map[string]*versions
	says  error // to every request
	asked int
}

func newGoogleStandIn(t *testing.T) *googleStandIn {
	g := &googleStandIn{t: t, keys: map[string]*versions{googleKeys + "lethe": newVersions(t), googleKeys + "other": newVersions(t)}}
	at, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	kmspb.RegisterKeyManagementServiceServer(server, g)
	go server.Serve(at) //nolint:errcheck // it ends when it is stopped
	t.Cleanup(server.Stop)
	g.options = googleAt(at.Addr().String())
	return g
}

func googleAt(address string) []option.ClientOption {
	return []option.ClientOption{
		option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
}

func (g *googleStandIn) do(what func()) func() {
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		what()
	}
}

func (g *googleStandIn) standIn() *standIn {
	name := googleKeys + "lethe"
	kept := g.keys[name]
	return &standIn{
		root: "gcpkms://" + name, other: "gcpkms://" + googleKeys + "other", opener: opener(google{g.options}.open),
		rotate:  g.do(func() { kept.rotate(g.t) }),
		remove:  g.do(func() { delete(g.keys, name) }),
		back:    g.do(func() { g.keys[name], g.says = kept, nil }),
		swap:    g.do(func() { g.keys[name] = newVersions(g.t) }),
		disable: g.do(func() { g.keys[name].disabled = true }),
		deny: g.do(func() {
			g.says = status.Error(codes.PermissionDenied, "Permission denied on resource (or it may not exist).")
		}),
		away: g.do(func() { g.says = status.Error(codes.Unavailable, "come again") }),
	}
}

func (g *googleStandIn) key(name string) (*versions, error) {
	g.asked++
	k := g.keys[name]
	switch {
	case g.says != nil:
		return nil, g.says
	case k == nil:
		return nil, status.Error(codes.NotFound, "CryptoKey "+name+" not found.")
	case k.disabled:
		return nil, status.Error(codes.FailedPrecondition, name+" is not enabled, current state is: disabled.")
	}
	return k, nil
}

// Encrypt implements kmspb.KeyManagementServiceServer.
func (g *googleStandIn) Encrypt(_ context.Context, in *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k, err := g.key(in.GetName())
	if err != nil {
		return nil, err
	}
	return &kmspb.EncryptResponse{Name: in.GetName(), Ciphertext: k.encrypt(in.GetPlaintext())}, nil
}

// Decrypt implements kmspb.KeyManagementServiceServer.
func (g *googleStandIn) Decrypt(_ context.Context, in *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k, err := g.key(in.GetName())
	if err != nil {
		return nil, err
	}
	plain, ok := k.decrypt(in.GetCiphertext())
	if !ok {
		return nil, status.Error(codes.InvalidArgument, "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
	}
	return &kmspb.DecryptResponse{Plaintext: plain}, nil
}

func TestWhatGoogleMaySay(t *testing.T) {
	g := newGoogleStandIn(t)
	s := g.standIn()
	p, err := s.open(s.root)(t)
	require.NoError(t, err)
	defer p.Close() //nolint:errcheck // a test
	require.Equal(t, "gcpkms://"+googleKeys+"lethe", p.Name())
	for code, c := range map[codes.Code]struct {
		unwrap, wrap error
		asked        int
	}{
		codes.NotFound:           {rootkey.ErrMissing, rootkey.ErrMissing, 1},
		codes.InvalidArgument:    {rootkey.ErrWrong, rootkey.ErrDenied, 1},
		codes.PermissionDenied:   {rootkey.ErrDenied, rootkey.ErrDenied, 1},
		codes.Unauthenticated:    {rootkey.ErrDenied, rootkey.ErrDenied, 1},
		codes.FailedPrecondition: {rootkey.ErrDenied, rootkey.ErrDenied, 1},
		codes.ResourceExhausted:  {rootkey.ErrUnreachable, rootkey.ErrUnreachable, 1},
		codes.Internal:           {rootkey.ErrUnreachable, rootkey.ErrUnreachable, 1},
		codes.Unavailable:        {rootkey.ErrUnreachable, rootkey.ErrUnreachable, attempts},
	} {
		g.do(func() { g.says, g.asked = status.Error(code, "some\nwords"), 0 })()
		_, err := p.Unwrap(t.Context(), []byte("x"))
		require.ErrorIs(t, err, c.unwrap, code)
		require.ErrorContains(t, err, code.String()+": some words")
		require.Equal(t, c.asked, g.asked, code)
		_, err = p.Wrap(t.Context(), []byte("x"))
		require.ErrorIs(t, err, c.wrap, code)
	}
}

func TestGoogleWithoutItsSettings(t *testing.T) {
	open := (&standIn{opener: opener(google{googleAt("127.0.0.1:1")}.open)}).open
	for _, name := range []string{"gcpkms://", "gcpkms://lethe", "gcpkms://" + googleKeys + "k/cryptoKeyVersions/1", "gcpkms://" + googleKeys + "k?x=1"} {
		_, err := open(name)(t)
		require.ErrorContains(t, err, "is named as", name)
	}
	p, err := open("gcpkms://" + googleKeys + "k")(t)
	require.NoError(t, err)
	_, err = p.Wrap(t.Context(), []byte("x"))
	require.ErrorIs(t, err, rootkey.ErrUnreachable)
	require.NoError(t, p.Close())

	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", t.TempDir()+"/none")
	_, err = (&standIn{opener: opener(google{}.open)}).open("gcpkms://" + googleKeys + "k")(t)
	require.ErrorIs(t, err, rootkey.ErrDenied)
	require.True(t, strings.Contains(err.Error(), "none"), err)
}
