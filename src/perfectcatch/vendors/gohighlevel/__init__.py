"""GoHighLevel, whose API is also called HighLevel and LeadConnector: contacts, opportunities, pipelines."""
