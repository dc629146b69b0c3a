"""Opportunities of the CRM follow from the records of the mirror, and what people change there is kept."""
