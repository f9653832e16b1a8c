package importer

import (
	"bytes"
	"context"

	"lethe/domain"
	"lethe/internal/importer/civicrm"
	"lethe/internal/importer/csvfile"
	"lethe/internal/importer/dolibarr"
	"lethe/internal/importer/source"
)

func openSource(ctx context.Context, j Job) (source.Source, error) {
	switch j.Format {
	case DolibarrSQL:
		return dolibarr.Open(ctx, j.File, j.Size)
	case CiviCRMSQL:
		return civicrm.Open(ctx, j.File, j.Size)
	case CSV:
		m, err := csvfile.ParseMapping(bytes.NewReader(j.Mapping))
		if err != nil {
			return nil, err
		}
		return csvfile.Open(ctx, j.File, j.Size, m)
	}
	return nil, domain.Invalid("import.format", "format", "the format is dolibarr-sql, civicrm-sql or csv")
}
