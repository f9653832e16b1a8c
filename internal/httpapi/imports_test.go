package httpapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/importing"
	"lethe/internal/auth"
	"lethe/internal/httpapi"
)

// reader is an importer that reads its file back to front and counts lines.
type reader struct {
	t    *testing.T
	dir  string
	want []byte
	got  httpapi.ImportRequest
}

func (r *reader) Import(
	_ context.Context, _ auth.Caller, req httpapi.ImportRequest, progress func(httpapi.ImportProgress),
) (httpapi.ImportReport, error) {
	r.got = req
	got := make([]byte, req.Size)
	for at := req.Size; at > 0; {
		from := max(0, at-4099)
		_, err := req.File.ReadAt(got[from:at], from)
		require.NoError(r.t, err)
		at = from
	}
	require.Equal(r.t, r.want, got)
	_, err := req.File.ReadAt(make([]byte, 2), req.Size-1)
	require.ErrorIs(r.t, err, io.EOF)
	require.NoError(r.t, filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(r.t, err)
		require.NotContains(r.t, d.Name(), "upload-", "an upload has no name on disk")
		return nil
	}))
	progress(httpapi.ImportProgress{Read: req.Size, Total: req.Size})
	if len(req.Mapping) == 0 {
		return httpapi.ImportReport{}, domain.Invalid("csv.mapping", "mapping", "a CSV file needs a mapping")
	}
	return httpapi.ImportReport{Tables: []importing.Table{{Name: "people", Read: 2}}}, nil
}

func upload(t *testing.T, parts ...[2]string) ([]byte, opt) {
	t.Helper()
	var buf bytes.Buffer
	form := multipart.NewWriter(&buf)
	for _, p := range parts {
		name := "options"
		if p[0] != "" {
			name = p[0]
		}
		var part io.Writer
		var err error
		if name == "file" {
			part, err = form.CreateFormFile("file", "secret-name.csv")
		} else {
			part, err = form.CreateFormField(name)
		}
		require.NoError(t, err)
		_, err = part.Write([]byte(p[1]))
		require.NoError(t, err)
	}
	require.NoError(t, form.Close())
	return buf.Bytes(), header("Content-Type", form.FormDataContentType())
}

func TestAnUploadReachesTheImporterWhole(t *testing.T) {
	content := make([]byte, 200_003)
	_, err := rand.Read(content)
	require.NoError(t, err)
	r := &reader{t: t, want: content}
	w := newWorld(t, func(o *httpapi.Options) { o.Imports, r.dir = r, o.Spool })
	options := [2]string{"options", `{"format":"csv","dry_run":true}`}
	body, contentType := upload(t, options, [2]string{"mapping", "format: x"}, [2]string{"file", string(content)})
	steps := lines(t, w.do("POST", "/v1/imports", body, contentType).is(200).body)
	require.Equal(t, m{"read": 200_003.0, "total": 200_003.0, "rows": 0.0}, steps[0]["progress"])
	require.Equal(t, "people", steps[1]["report"].(m)["tables"].([]any)[0].(m)["name"])
	require.True(t, r.got.Options.DryRun)
	name, _ := r.got.FileName.Reveal()
	require.Equal(t, "secret-name.csv", name)
	require.NotContains(t, w.logs.String(), "secret-name")

	body, contentType = upload(t, options, [2]string{"file", string(content)})
	steps = lines(t, w.do("POST", "/v1/imports", body, contentType).is(200).body)
	require.Equal(t, "csv.mapping", steps[1]["problem"].(m)["code"])
}

func TestAMalformedUploadIsRefused(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) { o.Limits.MaxImport = 2000 })
	w.do("POST", "/v1/imports", "x", header("Content-Type", "text/plain")).problem(415, "request.media_type")
	for _, parts := range [][][2]string{
		{{"file", "x"}},
		{{"options", `{"format":"csv"}`}},
		{{"options", `{"format":"csv","canary-4711":1}`}, {"file", "x"}},
		{{"options", `{"format":"CANARY-4711"}`}, {"file", "x"}},
		{{"canary-4711", "x"}},
	} {
		body, contentType := upload(t, parts...)
		a := w.do("POST", "/v1/imports", body, contentType)
		require.Contains(t, []int{400, 422}, a.status)
		require.NotContains(t, string(a.body), "4711")
	}
	body, contentType := upload(t, [2]string{"options", `{"format":"csv"}`}, [2]string{"file", string(make([]byte, 3000))})
	w.do("POST", "/v1/imports", body, contentType).problem(413, "request.too_large")
	head := w.app.Store.Stats().Head.String()
	require.Equal(t, []any{}, w.do("GET", "/v1/imports?after_position="+head, nil).is(200).get("items"))
	w.do("GET", "/v1/imports/00000000-0000-4000-8000-000000000000", nil).problem(404, "import.unknown")
}
