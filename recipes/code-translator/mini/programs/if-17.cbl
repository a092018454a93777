       ID DIVISION.
       PROGRAM-ID. STAMPS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           IF N > 17 DISPLAY "HIGH"
           ELSE DISPLAY "LOW" END-IF.
           GOBACK.
